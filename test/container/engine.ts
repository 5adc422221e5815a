import { getContainerRuntimeClient, ImageName } from "testcontainers";

/** What testcontainers starts beside the tests, to remove what a killed run leaves behind. */
const REAPER_IMAGE = process.env["RYUK_CONTAINER_IMAGE"] ?? "testcontainers/ryuk:0.14.0";

/**
 * Whether a container engine answers; says so on standard error where none does. In CI that is an error: tests that
 * are skipped there are tests that nobody runs. Where its image can't be had, testcontainers' reaper is left out:
 * the tests remove what they start themselves.
 */
export async function engineAvailable(): Promise<boolean> {
  try {
    const { image } = await getContainerRuntimeClient();
    if (process.env["TESTCONTAINERS_RYUK_DISABLED"] === undefined) {
      await image.pull(ImageName.fromString(REAPER_IMAGE)).catch((error: unknown) => {
        process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
        process.stderr.write(`Without ${REAPER_IMAGE}, which can't be had: ${String(error)}\n`);
      });
    }
    return true;
  } catch (error) {
    if (process.env["CI"] === "true") {
      throw new Error("No container engine answers; run .ci/containers", { cause: error });
    }
    process.stderr.write(
      `The container tests are skipped, as no container engine answers: ${String(error)}\n`,
    );
    return false;
  }
}
