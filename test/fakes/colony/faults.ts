/** What a test makes go wrong with the next answers, per type of message. */
export class Faults {
  readonly #drops = new Map<string, number>();
  readonly #delays = new Map<string, number>();
  readonly #answers = new Map<string, { status: number; body: string; left: number }>();

  /** The next `n` requests of the type are carried out and never answered: the connection is cut. */
  dropReply(type: string, n = 1): void {
    this.#drops.set(type, n);
  }

  /** Answers to this type come `ms` after the work is done; 0 for at once. */
  delay(type: string, ms: number): void {
    this.#delays.set(type, ms);
  }

  /** The next `n` requests of the type are not carried out and get this answer. */
  answerWith(type: string, answer: { status: number; body: string }, n = 1): void {
    this.#answers.set(type, { ...answer, left: n });
  }

  takeDrop(type: string): boolean {
    const left = this.#drops.get(type) ?? 0;
    if (left > 0) this.#drops.set(type, left - 1);
    return left > 0;
  }

  delayOf(type: string): number {
    return this.#delays.get(type) ?? 0;
  }

  takeAnswer(type: string): { status: number; body: string } | undefined {
    const answer = this.#answers.get(type);
    if (answer === undefined || answer.left <= 0) return undefined;
    answer.left -= 1;
    return answer;
  }
}
