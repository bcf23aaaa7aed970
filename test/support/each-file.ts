import { afterAll } from "@jest/globals";
import { closeOpened } from "./opened.ts";
import "./record-answers.ts";

afterAll(closeOpened);
