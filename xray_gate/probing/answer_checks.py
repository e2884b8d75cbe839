"""Checks that the model answers as a classifier does: the same question, the same answer.

A model may be random, keep state between calls, or let the images of a batch influence each
other. Its labels then say nothing about its decision regions, so the scan must not use them. Its
process may also tell labels from probabilities, and answer one of the two as another model would.
"""

from dataclasses import dataclass

import numpy as np

from xray_gate.core.errors import ModelAnswerError, NoGradients
from xray_gate.core.evidence import AnswerFacts
from xray_gate.probing.answers import (
    apart,
    ask,
    ask_soft,
    likeliest,
    recheck,
    require_close,
    require_equal,
    require_largest,
    require_probabilities,
)
from xray_gate.probing.batches import (
    Batch,
    FloatArray,
    Images,
    IndexArray,
    JoinedPlanes,
    LabelArray,
)
from xray_gate.probing.clean_rows import CleanSamples
from xray_gate.probing.company import Company
from xray_gate.probing.oracle import (
    HardLabelOracle,
    Slopes,
    SoftLabelOracle,
    as_gradient,
    as_soft,
    is_soft,
)

_REPEATED = "repeated within a batch"
_OWN, _REPEAT, _CLEAN = range(3)

# Boundaries are followed by many small batches, each of which would else double.
_ROWS_FOR_A_REPEAT = 16

# Of each question for gradients so many are asked again without.
_COMPARED = 2
_BY_QUERIES = "set `patches_by: queries`, or give it in a format of PyTorch"


class CheckedOracle:
    """Hides repeated questions, and clean samples, in every batch and compares their answers.

    Each call asks `repeats` random rows a second time, at random places of the batch, and strips
    those answers again; of points of several planes, which come in many small batches, a sixteenth
    and one more if that is fewer. With `clean`, one clean sample and a few more in large batches
    stand at other random places, and some questions are remembered for `compare` (`company`). After
    probabilities, it also asks for the labels of as many random rows, and for the probabilities of
    one row alone. Questions for slopes are not repeated; two are asked again for their
    probabilities. `check_queries` counts these over all calls.
    """

    def __init__(
        self,
        oracle: HardLabelOracle,
        rng: np.random.Generator,
        repeats: int = 8,
        clean: CleanSamples | None = None,
    ) -> None:
        if repeats < 1:
            raise ValueError(f"at least one question must be repeated, got {repeats}")
        self._oracle = oracle
        self._rng = rng
        self._repeats = repeats
        self._company = None if clean is None else Company(clean, rng)
        self.check_queries = 0

    @property
    def classes(self) -> int:
        """As the oracle behind it."""
        return self._oracle.classes

    @property
    def soft(self) -> bool:
        """As the oracle behind it."""
        return is_soft(self._oracle)

    def labels(self, batch: Batch) -> LabelArray:
        """As the oracle behind it; raises `ModelAnswerError` if a repeated question disagrees."""
        if len(batch) == 0:
            return self._oracle.labels(batch)
        mixed = self._mixed(batch)
        answers = ask(self._oracle, mixed.batch)
        labels: LabelArray = answers[mixed.own]
        if self._company is not None:
            # First, so that it is counted also where a repeat disagrees.
            right = answers[mixed.clean] == self._company.expected(mixed.samples)
            self._company.saw_clean(mixed.samples, right, mixed.batch, mixed.clean)
        require_equal(labels[mixed.repeated], answers[mixed.repeats], _REPEATED)
        if self._company is not None:
            classes = self.classes
            self._company.saw_points(
                batch,
                lambda rows: labels[rows][:, None] == np.arange(classes),
                classes,
                soft=False,
            )
        return labels

    def probabilities(self, batch: Batch) -> FloatArray:
        """As the oracle behind it; raises `ModelAnswerError` if a check disagrees.

        Answers to the same question may differ by 0.001 and 5 % of the larger. The label of a row
        must be one of the largest of its probabilities, within the same tolerance.
        """
        oracle = as_soft(self._oracle)
        count = len(batch)
        if count == 0:
            return oracle.probabilities(batch)
        mixed = self._mixed(batch)
        answers = ask_soft(oracle, mixed.batch)
        found: FloatArray = answers[mixed.own]
        if self._company is not None:
            expected = self._company.expected(mixed.samples)
            right = likeliest(answers[mixed.clean])[np.arange(len(expected)), expected]
            self._company.saw_clean(mixed.samples, right, mixed.batch, mixed.clean)
        require_close(found[mixed.repeated], answers[mixed.repeats], _REPEATED)
        self._check_apart(oracle, batch, found)
        if self._company is not None:
            self._company.saw_points(
                batch, lambda rows: likeliest(found[rows]), self.classes, soft=True
            )
        return found

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """As the oracle behind it; raises `NoGradients` where a check disagrees.

        The probabilities that come with the slopes must be those that some of the questions get
        when they are asked without, within the tolerance of `probabilities`.
        """
        oracle = as_gradient(self._oracle)
        found = oracle.slopes(batch, label)
        if len(batch) == 0:
            return found
        try:
            require_probabilities(found.probabilities, len(batch), oracle.classes)
        except ModelAnswerError as error:
            raise NoGradients(
                f"the form of the model that gives gradients fails: {error}"
            ) from error
        if not np.isfinite(found.log_odds).all():
            raise NoGradients(f"the model's gradients are NaN or infinite; {_BY_QUERIES}")
        chosen = self._rng.integers(0, len(batch), size=_COMPARED)
        again = ask_soft(oracle, batch.take(chosen))
        self.check_queries += _COMPARED
        if (apart(found.probabilities[chosen], again)).any():
            raise NoGradients(
                "the form of the model that gives gradients answers with other probabilities than "
                f"the model itself; {_BY_QUERIES}"
            )
        return found

    def _check_apart(self, oracle: SoftLabelOracle, batch: Batch, found: FloatArray) -> None:
        """Ask some of `batch` again in other ways; `found` are the answers to all of it."""
        chosen = self._rng.integers(0, len(batch), size=self._repeats)
        labels = ask(oracle, batch.take(chosen))
        self.check_queries += len(chosen)
        require_largest(found[chosen], labels)
        alone = self._rng.integers(0, len(batch), size=1)
        again = ask_soft(oracle, batch.take(alone))
        self.check_queries += 1
        require_close(found[alone], again, "asked for alone")

    def compare(self) -> None:
        """Ask some of the questions again among clean samples, and those as `recheck` does.

        Done after the detectors; `facts` says what came of it. Raises `ModelAnswerError` where
        the clean samples have other labels than at first, and does nothing without any.
        """
        if self._company is None:
            return
        before = self._company.queries
        try:
            self._company.compare(self._oracle)
        finally:
            self.check_queries += self._company.queries - before

    @property
    def facts(self) -> AnswerFacts | None:
        """How the model answered in other company so far; None without clean samples."""
        return None if self._company is None else self._company.facts(self.check_queries)

    def _mixed(self, batch: Batch) -> "_Mixed":
        """`batch` with what is hidden in it."""
        count, repeats = len(batch), self._repeats
        if isinstance(batch, JoinedPlanes):
            repeats = min(repeats, 1 + count // _ROWS_FOR_A_REPEAT)
        repeated = self._rng.integers(0, count, size=repeats)
        clean = None if self._company is None else self._company.mixed_into(batch)
        samples = np.empty(0, dtype=np.int64) if clean is None else clean.samples
        hidden = np.concatenate([repeated, count + np.arange(len(samples))])
        kinds = np.repeat([_REPEAT, _CLEAN], [repeats, len(samples)])
        self.check_queries += len(hidden)
        places = self._rng.integers(0, count + 1, size=len(hidden))
        rows = np.insert(np.arange(count), places, hidden)
        kind = np.insert(np.full(count, _OWN), places, kinds)
        return _Mixed(
            batch=batch.take(rows) if clean is None else clean.ask(rows),
            own=np.flatnonzero(kind == _OWN),
            repeats=np.flatnonzero(kind == _REPEAT),
            repeated=rows[kind == _REPEAT],
            clean=np.flatnonzero(kind == _CLEAN),
            samples=samples[rows[kind == _CLEAN] - count],
        )


@dataclass(frozen=True, eq=False)
class _Mixed:
    """A batch with what is hidden in it: the places of each, all int64.

    `repeated` are the questions asked a second time at `repeats`, `samples` the clean samples that
    stand at `clean`.
    """

    batch: Batch
    own: IndexArray
    repeats: IndexArray
    repeated: IndexArray
    clean: IndexArray
    samples: IndexArray


def check_answers(
    oracle: HardLabelOracle, images: Images, rng: np.random.Generator, singles: int = 16
) -> LabelArray:
    """The labels of `images`, int64 (n,), after checking that they do not depend on how one asks.

    Asks for all in one batch, again in another order, for `singles` of them one at a time, and
    for all once more: 3 * n + singles queries. Raises `ModelAnswerError` on any disagreement.
    """
    labels = ask(oracle, images)
    recheck(oracle, images, labels, rng)
    chosen = rng.permutation(len(images))[:singles]
    alone = np.array([ask(oracle, images.take(row[None]))[0] for row in chosen], dtype=np.int64)
    require_equal(labels[chosen], alone, "asked for one at a time")
    again = ask(oracle, images)
    require_equal(labels, again, "asked for a second time")
    return labels
