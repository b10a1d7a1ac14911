"""The terms that a grant is made under, kept with the grant: a later pack changes later grants."""

from datetime import date

import msgspec


class Terms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From the pack that the decision names; `remind_days` before an instalment's date it is announced.

    Days are inclusive: bills due from `window_first` to `window_last`, deferral until the day before `repay_from`,
    payment in time up to `grace_days` after an instalment's date.
    """

    window_first: date
    window_last: date
    repay_from: date
    instalments: int
    grace_days: int
    remind_days: int

    def holds(self, due_on: date) -> bool:
        return self.window_first <= due_on <= self.window_last
