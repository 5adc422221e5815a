/**
 * A request's target as `/path?parameters`, whichever form of RFC 9112 section 3.2 it came in, so that access
 * policies, routes and what they read see one path. An absolute one (`http://host/path`) is asked for as if of this
 * host. No target has a fragment: as in OPA, a `#` stands for itself.
 */
export function originForm(target: string): string {
  let path = target;
  if (!target.startsWith("/") && target !== "*") {
    path = target.replace(/^[^/?#]*:\/\/[^/?#]*/, "");
    if (!path.startsWith("/")) path = `/${path}`;
  }
  return path.includes("#") ? path.replaceAll("#", "%23") : path;
}
