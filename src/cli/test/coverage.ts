interface FileCoverage {
  readonly not_covered?: readonly { start: { row: number }; end: { row: number } }[];
  readonly coverage?: number;
  readonly covered_lines?: number;
  readonly not_covered_lines?: number;
}

/** What `opa test --coverage` prints, as far as it is used. */
export interface CoverageReport {
  readonly files: Readonly<Record<string, FileCoverage>>;
  readonly covered_lines: number;
  readonly not_covered_lines: number;
  /** In percent. */
  readonly coverage: number;
}

/** The report as if there were no such file. */
export function withoutFile(report: CoverageReport, file: string): CoverageReport {
  const files = Object.entries(report.files).filter(([name]) => name !== file);
  const sum = (field: "covered_lines" | "not_covered_lines"): number =>
    files.reduce((total, [, figures]) => total + (figures[field] ?? 0), 0);
  const [covered, not] = [sum("covered_lines"), sum("not_covered_lines")];
  return {
    ...report,
    files: Object.fromEntries(files),
    covered_lines: covered,
    not_covered_lines: not,
    coverage: covered + not === 0 ? 0 : Math.round((covered * 10_000) / (covered + not)) / 100,
  };
}

/** The report for people: each file's share, and the lines that no test reaches. */
export function coverageText({ files, coverage }: CoverageReport): string {
  const lines = Object.entries(files).map(([name, figures]) => {
    const missed = new Set(
      (figures.not_covered ?? []).map(({ start, end }) =>
        start.row === end.row ? `${start.row}` : `${start.row}-${end.row}`,
      ),
    );
    const rest = missed.size > 0 ? `, not line ${[...missed].join(", ")}` : "";
    return `${name}: ${(figures.coverage ?? 0).toFixed(1)}%${rest}\n`;
  });
  return `${lines.join("")}coverage: ${coverage}%\n`;
}
