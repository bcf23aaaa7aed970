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
  #busy = false;
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
    this.#dialog.showModal();
    await new Promise((resolve) => this.#dialog.addEventListener("close", resolve, { once: true }));
    // Passwords do not stay in the page.
    this.form.reset();
    this.#error.textContent = "";
    return this.#done;
  }

  async #submit(method: string | undefined): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.form.ariaBusy = "true";
    this.#error.textContent = "";
    const attempt = this.#attempt;
    try {
      await attempt(new FormData(this.form), method);
      // The user may have closed it meanwhile.
      if (attempt === this.#attempt && this.#dialog.open) {
        this.#done = true;
        this.#dialog.close();
      }
    } catch (error) {
      console.debug(error);
      this.#error.textContent = sentenceFor(error);
      this.form.querySelector<HTMLInputElement>("input[type=password], input[name=proof]")?.select();
    } finally {
      this.#busy = false;
      this.form.ariaBusy = null;
    }
  }
}
