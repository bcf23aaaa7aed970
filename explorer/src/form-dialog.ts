import { find } from "./dom.js";
import { sentenceFor } from "./messages.js";

/** Does what the form is for. `method` is that of the button that was pressed. @throws what `sentenceFor` can explain */
type Attempt = (data: FormData, method: string | undefined) => Promise<void>;

/** A form in a dialog. An attempt that fails shows why and leaves the form open. */
export class FormDialog {
  readonly form: HTMLFormElement;
  readonly #dialog: HTMLDialogElement;
  readonly #error: HTMLElement;
  #attempt: Attempt = async () => {};
  /** The attempt that is being made. */
  #running: Attempt | undefined;
  #done = false;

  constructor(selector: string) {
    this.#dialog = find<HTMLDialogElement>(selector);
    this.form = find("form", this.#dialog);
    this.#error = find("[role=alert]", this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit((event.submitter as HTMLElement | null)?.dataset["method"]);
    });
    find(".cancel", this.form).addEventListener("click", () => this.#dialog.close());
  }

  /** @returns whether an attempt succeeded before the user closed the dialog */
  async open(attempt: Attempt): Promise<boolean> {
    this.#attempt = attempt;
    this.#done = false;
    this.#setRunning(undefined);
    this.#dialog.showModal();
    await new Promise((resolve) => this.#dialog.addEventListener("close", resolve, { once: true }));
    // Passwords do not stay in the page.
    this.form.reset();
    this.#error.textContent = "";
    return this.#done;
  }

  async #submit(method: string | undefined): Promise<void> {
    const attempt = this.#attempt;
    if (this.#running === attempt) return;
    this.#setRunning(attempt);
    this.#error.textContent = "";
    // The user may have closed the dialog meanwhile, and opened it for something else.
    const isOpen = () => attempt === this.#attempt && this.#dialog.open;
    try {
      await attempt(new FormData(this.form), method);
      if (isOpen()) {
        this.#done = true;
        this.#dialog.close();
      }
    } catch (error) {
      console.debug(error);
      if (!isOpen()) return;
      this.#error.textContent = sentenceFor(error);
      this.form.querySelector<HTMLInputElement>("input[type=password], input[name=proof]")?.select();
    } finally {
      if (this.#running === attempt) this.#setRunning(undefined);
    }
  }

  #setRunning(attempt: Attempt | undefined): void {
    this.#running = attempt;
    this.form.ariaBusy = attempt ? "true" : null;
  }
}
