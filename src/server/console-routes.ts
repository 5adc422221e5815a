import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";

/** Beside src and dist alike, and in the package. */
const FOLDER = new URL("../../console/", import.meta.url);

const FILES: readonly (readonly [url: string, file: string, type: string])[] = [
  ["/console", "index.html", "text/html; charset=utf-8"],
  ["/console/console.css", "console.css", "text/css; charset=utf-8"],
  ...["main.js", "api.js", "data.js", "show.js"].map(
    (file) => [`/console/${file}`, file, "text/javascript; charset=utf-8"] as const,
  ),
];

/** Only what this service itself serves is run, shown or asked, and nobody may show the page inside another. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * The console, `GET /console`: a page that shows what the API tells, and asks it with the token that its user gives.
 * Its files hold nothing secret, so they are served to everybody: without them no browser could ask for a token.
 */
export function consoleRoutes(app: FastifyInstance): void {
  for (const [url, file, type] of FILES) {
    const content = readFileSync(new URL(file, FOLDER));
    app.get(url, (_request, reply) =>
      reply
        .type(type)
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        // Another version of the service has other files.
        .header("cache-control", "no-cache")
        .send(content),
    );
  }
}
