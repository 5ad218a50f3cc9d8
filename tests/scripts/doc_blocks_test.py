#!/usr/bin/env python3
"""What scripts/lib/doc_blocks.py reports, on pages made here and with a stand-in for the program."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/lib/doc_blocks.py"
# Says its arguments and variables, and fails when it is told to.
PROGRAM = """#!/bin/bash
echo "said: $* steps=$SD_DDIM_STEPS" >> said
[[ $1 != fail ]] || { echo "the program's reason" >&2; exit 2; }
"""


class DocBlocks(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "build").mkdir()
        program = self.folder / "build/sd"
        program.write_text(PROGRAM)
        program.chmod(0o755)

    def page(self, text, name="page.md"):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def run_script(self, *arguments):
        ended = subprocess.run(
            [sys.executable, SCRIPT, "--build", self.folder / "build", *arguments], capture_output=True, text=True
        )
        return ended.returncode, ended.stdout + ended.stderr

    def run_text(self, text, *arguments):
        return self.run_script(*arguments, self.page(text))

    def test_a_command_that_fails_is_named_by_file_and_line(self):
        code, said = self.run_text("# Page\n\n```sh\nbuild/sd one\nbuild/sd fail \\\n  --now\nbuild/sd three\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("page.md:5: FAILED, exit code 2\n    build/sd fail", said)
        self.assertIn("the program's reason", said)

    def test_blocks_behind_one_that_fails_are_run(self):
        code, said = self.run_text("```sh\nbuild/sd fail\n```\n\n```sh\ngrep -c fail said\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("page.md:6: ran", said)

    def test_a_failure_inside_a_pipe_counts(self):
        self.assertEqual(self.run_text("```sh\nbuild/sd fail | cat\n```\n")[0], 1)

    def test_commands_of_a_page_share_a_folder_in_order(self):
        code, said = self.run_text("```sh\necho 1 > kept\n```\n\n```sh\n[[ $(cat kept) == 1 ]]\necho 2 > kept\n[[ $(cat kept) == 2 ]]\n```\n")
        self.assertEqual(code, 0, said)

    def test_pages_share_no_folder(self):
        pages = [self.page("```sh\n[[ ! -e kept ]]\ntouch kept\n```\n", name) for name in ("a.md", "b.md")]
        code, said = self.run_script(*pages)
        self.assertEqual(code, 0, said)

    def test_steps_are_cut_in_what_runs_and_said(self):
        code, said = self.run_text(
            "```sh\nbuild/sd txt2img --steps 25 --ddim_steps=30 --steps 1\n"
            "grep -- '--steps 2 --ddim_steps=2 --steps 1 steps=2' said\necho '\"steps\": 20' | grep -w 2\n```\n"
        )
        self.assertEqual(code, 0, said)
        self.assertIn("with 2 steps instead of 25, 30, 20", said)

    def test_files_that_a_block_names_stand_there(self):
        code, said = self.run_text("```sh\n# photo.png is a picture\n[[ -s photo.png ]]\nif compgen -G 'cat.p*'; then exit 1; fi\n```\n")
        self.assertEqual(code, 0, said)

    def test_a_known_reason_keeps_a_block_from_running(self):
        text = "<!-- not run: needs a GPU (of any kind) -->\n```sh\nbuild/sd fail\n```\n"
        self.assertEqual(self.run_text(text), (0, ""))
        self.assertIn("page.md:3: not run: needs a GPU (of any kind)", self.run_text(text, "--list")[1])

    def test_a_block_may_name_the_test_that_runs_it(self):
        text = "<!-- not run: another test runs it (Docs.WhatCannotRunIsReported) -->\n```sh\nbuild/sd fail\n```\n"
        self.assertEqual(self.run_text(text), (0, ""))

    def test_what_a_page_says_wrongly_is_reported_by_its_line(self):
        block = "```sh\ntrue\n```\n"
        for text, line, words in [
            (f"<!-- not run: no time -->\n{block}", ":1", 'unknown reason "no time"'),
            (f"<!-- not run: another test runs it -->\n{block}", ":1", "must give the name of a test"),
            (f"<!-- not run: another test runs it ({'No' + 'SuchTest'}) -->\n{block}", ":1", "no file in tests/"),
            ("text\n```sh\ntrue\n", ":2", "never closed"),
            ("```bash\ntrue\n```\n", ":1", 'unknown kind of block "bash"'),
            ("```sh\nif true\n```\n", ":2", "no commands of a shell"),
            (f"- item\n  {block}", ":2", "start of the line"),
            (f"<!-- not run: needs a GPU -->\nA sentence.\n\n{block}", ":2", "something else than a block"),
            ("<!-- not run: needs a GPU -->\n```cpp\n```\n", ":2", "none of commands"),
            (f"{block}<!-- not run: needs a GPU -->\n", "", "before nothing"),
            (f"<!-- this page's blocks are run by: {'No' + 'SuchTest'} -->\n{block}", "", "no file in tests/"),
        ]:
            with self.subTest(text):
                code, said = self.run_text(text)
                self.assertEqual(code, 2, said)
                self.assertIn(f"page.md{line}: ", said)
                self.assertIn(words, said)

    def test_parts_run_every_page_once(self):
        pages = [self.page("```sh\n" + "build/sd one\n" * count + "```\n", f"{count}.md") for count in range(1, 6)]
        halves = [self.run_script("--part", f"{part}/2", *pages)[1].splitlines() for part in (1, 2)]
        names = sorted(line.split(":")[0][-4:] for half in halves for line in half)
        self.assertEqual(names, ["1.md", "2.md", "3.md", "4.md", "5.md"])
        self.assertTrue(all(halves))

    def test_a_part_that_cannot_be_is_refused(self):
        self.assertEqual(self.run_script("--part", "3/2", self.page("text\n"))[0], 2)


if __name__ == "__main__":
    unittest.main()
