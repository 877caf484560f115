/* The network as the page sees it: load once, then run. */

export class Model {
  #worker = null;
  #waiting = new Map();
  #count = 0;
  #loading = null;

  /** Load once; resolves to "webgpu" or "wasm". `report(arrived, all)` is in bytes.
      After a failure it can be tried again. */
  load(manifest, report) {
    this.#loading ??= this.#start(manifest, report).catch((error) => {
      this.#worker?.terminate();
      this.#worker = this.#loading = null;
      throw new Error(`The network could not be loaded: ${error.message}`);
    });
    return this.#loading;
  }

  /** One sub-image: planes of float32 in, a promise of planes out. */
  run(image, hole, rows, columns) {
    return this.#ask({ run: [image, hole, rows, columns] });
  }

  async #start(manifest, report) {
    if (!("WebAssembly" in window)) throw new Error("this browser has no WebAssembly.");
    // From a blob, for such a worker is bound by the page's Content-Security-Policy.
    const program = `import ${JSON.stringify(new URL("worker.js", import.meta.url))};`;
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    const worker = new Worker(address, { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#answer(data, report);
    worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message ?? "the browser cannot start it";
      for (const id of [...this.#waiting.keys()]) this.#answer({ id, error: reason });
    };
    return this.#ask({ load: manifest });
  }

  #ask(message) {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...message });
    });
  }

  #answer({ id, result, error, arrived, all }, report) {
    if (!id) return report(arrived, all);
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }
}
