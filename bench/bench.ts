/** What a case has to work with. */
import { join } from "node:path";
import type { Programs } from "./build.ts";
import { type CliRun, runCli } from "./cli.ts";
import { type Decoding, type Server, type ServerName, startServer } from "./servers.ts";
import type { Contender, Table } from "./table.ts";

export interface Settings {
  readonly decoding: Decoding;
  readonly programs: Programs;
  /** Folder of the recordings. */
  readonly audio: string;
  /** Name of the recording that stands for a long file. */
  readonly longFile: string;
  readonly repetitions: number;
  readonly contenders: readonly Contender[];
}

export interface Measured<T> {
  readonly value: T;
  readonly wallMs: number;
  /** null where the system does not tell. */
  readonly cpuMs: number | null;
}

/** One case: fills rows of the table. */
export interface Case {
  readonly name: string;
  /** One line for --help. */
  readonly about: string;
  run(bench: Bench, table: Table): Promise<void>;
}

export const servers = ["whisper-api", "whisper-server"] as const;

export class Bench {
  readonly #running = new Map<ServerName, Server>();

  constructor(readonly settings: Settings) {}

  /** Path of a recording. */
  recording(name: string): string {
    return join(this.settings.audio, name);
  }

  /** Starts the server on first use and has it transcribe once: weights are then in memory. */
  async server(name: ServerName): Promise<Server> {
    const running = this.#running.get(name);
    if (running) return running;
    const server = await this.freshServer(name);
    this.#running.set(name, server);
    await server.transcribe(this.recording("en-digits.wav"), "en");
    return server;
  }

  /** A server that has not transcribed yet, with settings of its own if `env` says so; the caller stops it. */
  freshServer(name: ServerName, env: Readonly<Record<string, string>> = {}): Promise<Server> {
    return startServer(name, this.settings.decoding, this.settings.programs.server, env);
  }

  cli(recording: string, language: string): Promise<CliRun> {
    return runCli(this.settings.programs.cli, this.settings.decoding, this.recording(recording), language);
  }

  async close(): Promise<void> {
    const servers = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(servers.map((server) => server.stop()));
  }

  /**
   * Those of `contenders` that take part, in turn, as often as there are repetitions, in alternating order: whatever
   * disturbs the machine hits all. A turn begins when no server computes.
   */
  async *turns<Name extends Contender>(contenders: readonly Name[]): AsyncGenerator<Name> {
    const present = contenders.filter((contender) => this.settings.contenders.includes(contender));
    for (let repetition = 0; repetition < this.settings.repetitions; repetition++) {
      for (const contender of repetition % 2 === 0 ? present : present.toReversed()) {
        for (const server of this.#running.values()) await server.idle();
        yield contender;
      }
    }
  }

  /** The turns of the two servers. */
  async *serverTurns(): AsyncGenerator<Server> {
    for await (const name of this.turns(servers)) yield await this.server(name);
  }
}

/** Wall and CPU time that a server takes for some work. */
export async function measure<T>(server: Server, work: () => Promise<T>): Promise<Measured<T>> {
  const cpuBefore = server.cpuMs();
  const started = performance.now();
  const value = await work();
  const wallMs = performance.now() - started;
  const cpuAfter = server.cpuMs();
  return { value, wallMs, cpuMs: cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore };
}
