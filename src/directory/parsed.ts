/** One document of a file. */
export interface ParsedDocument {
  /** 0-based position in the file. */
  document: number;
  value: unknown;
  lineOf(path: string): number | undefined;
}

/** A file's documents, or why there are none to be had. */
export type Parsed =
  | { ok: true; documents: readonly ParsedDocument[] }
  | { ok: false; message: string; line?: number };
