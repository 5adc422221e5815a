/** Every series at `/metrics`, with its value. */
export async function scrape(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`);
  const lines = (await response.text()).split("\n").filter((line) => /^[a-z]/.test(line));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** One of the bridge's own series, without the names' common start. */
export async function metric(url: string, series: string): Promise<number | undefined> {
  return (await scrape(url)).get(`nats_opa_bridge_${series}`);
}
