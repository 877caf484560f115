/* The kernel behind a widget, and the connection to it. */

const ENDED = ["dead", "restarting", "autorestarting", "terminating"];

/** Call `ended()` when the kernel of `model` ends, `disconnected()` when the connection to
    it is lost, `connected()` when it is there again; the function returned stops that. */
export function watchKernel(model, { ended, disconnected, connected }) {
  const kernel = model.widget_manager?.kernel; // JupyterLab and Voila have it
  const status = (_, now) => ENDED.includes(now) && ended();
  const connection = (_, now) => (now === "connected" ? connected() : disconnected());
  kernel?.statusChanged?.connect(status);
  kernel?.connectionStatusChanged?.connect(connection);
  return () => {
    kernel?.statusChanged?.disconnect(status);
    kernel?.connectionStatusChanged?.disconnect(connection);
  };
}
