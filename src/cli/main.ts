#!/usr/bin/env node
import { shortenPauses } from "../common/short-pauses.ts";

// Loading the program would make V8's young generation grow, and it never shrinks while there is work.
shortenPauses();
await import("./program.ts");
