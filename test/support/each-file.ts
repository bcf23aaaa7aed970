import { afterAll } from "@jest/globals";
import { closeOpened } from "./opened.ts";

afterAll(closeOpened);
