/** MODEL_MEMORY: what a model may take of it, and how many windows it then decodes together. */
import { bytesPerSlot, memoryBytes, type Shape } from "./shape.ts";

export interface Need {
  /** With all slots in use. */
  readonly needBytes: number;
  /** Of it, for the slots; 0 = no limit. */
  readonly slotsBytes: number;
}

export class Budget {
  /** What the model of WHISPER_MODEL takes, always. */
  standardBytes = 0;

  /** slots: as many as each model is to have. maxBytes: 0 = no limit. */
  constructor(private readonly limits: { readonly slots: number; readonly maxBytes: number }) {}

  /**
   * As many slots as are wanted and fit beside WHISPER_MODEL, but one at least. `shape` null: the file is damaged, and the addon will say
   * what is wrong with it.
   */
  needOf(fileBytes: number, shape: Shape | null): Need {
    if (!shape) return { needBytes: fileBytes, slotsBytes: 0 };
    const { slots: wanted, maxBytes } = this.limits;
    if (maxBytes === 0) return { needBytes: memoryBytes(fileBytes, shape, wanted), slotsBytes: 0 };
    const each = bytesPerSlot(shape);
    const room = this.roomBytes - memoryBytes(fileBytes, shape, 0);
    const slots = Math.max(1, Math.min(wanted, Math.floor(room / each)));
    return { needBytes: memoryBytes(fileBytes, shape, slots), slotsBytes: slots * each };
  }

  /** What there is for all other models. */
  get roomBytes(): number {
    const { maxBytes } = this.limits;
    return maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes - this.standardBytes;
  }
}
