"""A full-text index of the documents, in memory, brought up to date before each search."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mcp_config.servers.docs.sections import Section, split_sections
from mcp_config.servers.docs.terms import any_of, in_headings, near_each_other, shorten_terms, telling_terms
from mcp_config.servers.rooted_files import FoundFile, OutsideRootsError, RootedFiles

MAX_FILE_BYTES: Final = 2 * 2**20
MAX_FILES: Final = 5_000
_SUFFIXES: Final = (".md", ".markdown", ".mdx", ".txt", ".rst", ".adoc", ".text")
_TABLE: Final = """
CREATE VIRTUAL TABLE sections USING fts5 (
    file, title, trail, body, anchor UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2')
"""
# weights of file, title, trail, body: a match in a heading says more than one in the text
_CANDIDATES: Final = """
SELECT rowid, -bm25(sections, 2.0, 4.0, 2.0, 1.0) AS weight FROM sections
WHERE sections MATCH ? ORDER BY weight DESC, rowid LIMIT 200
"""
_MATCHING: Final = "SELECT rowid FROM sections WHERE sections MATCH ?"
_SHOW: Final = """
SELECT file, title, anchor, snippet(sections, 3, '', '', ' … ', 48) FROM sections WHERE sections MATCH ? AND rowid = ?
"""


@dataclass(frozen=True)
class Hit:
    file: str
    title: str
    anchor: str
    snippet: str


class DocsIndex:
    """Finds sections by words. Safe to use from several threads."""

    def __init__(self, files: RootedFiles) -> None:
        self._files = files
        self._known: dict[str, FoundFile] = {}
        self._turn = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._index.execute(_TABLE)

    def search(self, question: str, limit: int) -> list[Hit]:
        """Returns the best sections, best first."""
        with self._turn:
            self._refresh()
            return self._find(telling_terms(question), limit) or self._find(shorten_terms(question), limit)

    def files(self) -> list[str]:
        """Returns the names of all documents."""
        with self._turn:
            self._refresh()
            return list(self._known)

    def sections(self, file: str) -> list[Section]:
        """Returns the sections of one document, read now.

        Raises:
            OutsideRootsError: It is no document that may be read.
        """
        if not file.lower().endswith(_SUFFIXES):
            raise OutsideRootsError(f"{file!r} is not a document")
        return split_sections(file, self._files.read_file(file, MAX_FILE_BYTES).decode(errors="replace"))

    def _find(self, terms: Sequence[str], limit: int) -> list[Hit]:
        if not terms:
            return []
        match = any_of(terms)
        scores = self._score(match, terms)
        best = sorted(scores, key=lambda row: (-scores[row], row))[:limit]
        return [Hit(*found) for row in best for found in self._index.execute(_SHOW, (match, row))]

    def _score(self, match: str, terms: Sequence[str]) -> dict[int, float]:
        """Adds four signals from 0 to 1: rarity of the words, words found, words in headings, words near each other.

        Rarity alone fails in a small set of documents: there the topic itself is in every section and counts nothing.
        """
        candidates: dict[int, float] = dict(self._index.execute(_CANDIDATES, (match,)))
        top = max(candidates.values(), default=1.0)
        scores = {row: weight / top for row, weight in candidates.items()}
        for expressions in (terms, [in_headings(term) for term in terms], near_each_other(terms)):
            for expression in expressions:
                for (row,) in self._index.execute(_MATCHING, (expression,)):
                    if row in scores:
                        scores[row] += 1 / len(expressions)
        return scores

    def _refresh(self) -> None:
        there = {found.name: found for found in self._files.walk(MAX_FILES) if found.name.lower().endswith(_SUFFIXES)}
        stale = [name for name, found in self._known.items() if there.get(name) != found]
        fresh = [name for name, found in there.items() if self._known.get(name) != found]
        if stale or fresh:
            self._replace(stale, fresh)
            self._known = there

    def _replace(self, stale: Sequence[str], fresh: Sequence[str]) -> None:
        self._index.execute("BEGIN")
        self._index.executemany("DELETE FROM sections WHERE file = ?", [(name,) for name in stale])
        for name in fresh:
            try:
                sections = self.sections(name)
            except OutsideRootsError:
                continue  # too big, or gone since it was listed: reading it says so
            rows = [(name, part.title, part.trail, part.text, part.anchor) for part in sections]
            self._index.executemany("INSERT INTO sections VALUES (?, ?, ?, ?, ?)", rows)
        self._index.execute("COMMIT")
