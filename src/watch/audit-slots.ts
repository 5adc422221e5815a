import { Semaphore } from "async-mutex";

/** How many watchers ask the server about their bucket at the same time. */
const QUESTIONS = 4;

/** Bounds what the audits of all watchers together ask of the server: a few questions at a time, one listing. */
export class AuditSlots {
  readonly questions: Semaphore = new Semaphore(QUESTIONS);
  readonly listings: Semaphore = new Semaphore(1);
}
