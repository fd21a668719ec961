/** How far a long step is: one line that changes in a terminal, a line every ten percent elsewhere. */
export class Progress {
  #what;
  #shown = 0;
  #tty = process.stderr.isTTY === true;

  /** @param {string} what */
  constructor(what) {
    this.#what = what;
    process.stderr.write(this.#tty ? `${what} ...` : `${what}\n`);
  }

  /** @param {number} percent */
  update(percent) {
    const whole = Math.floor(percent);
    if (whole <= this.#shown) return;
    if (this.#tty) process.stderr.write(`\r${this.#what}: ${whole} %  `);
    else if (Math.floor(whole / 10) > Math.floor(this.#shown / 10)) process.stderr.write(`  ${whole} %\n`);
    this.#shown = whole;
  }

  /** @param {boolean} succeeded */
  end(succeeded) {
    if (this.#tty) process.stderr.write(`\r${this.#what}: ${succeeded ? "done " : "failed"}\n`);
    else if (!succeeded) process.stderr.write("  failed\n");
  }
}
