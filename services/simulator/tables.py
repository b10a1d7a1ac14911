"""What the synthetic region looks like: its prefectures, industries and sizes.

Weights are rough shares of enterprises, wages and turnovers rough 2019 levels: plausible, not statistics. The size
bounds are the national standard of 2011; they are repeated here because the simulator must aim at them.
"""

from dataclasses import dataclass

YUAN = 100
MILLION = 1_000_000 * YUAN


@dataclass(frozen=True, slots=True)
class Prefecture:
    code: str
    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of a size class; None where the standard does not use the figure. Money in fen."""

    employees: int | None
    revenue: int | None
    assets: int | None

    def met(self, employees: int, revenue: int, assets: int) -> bool:
        return (
            (self.employees is None or employees >= self.employees)
            and (self.revenue is None or revenue >= self.revenue)
            and (self.assets is None or assets >= self.assets)
        )


@dataclass(frozen=True, slots=True)
class Industry:
    """`turnover_fen` is per employee and year, `wage_fen` per employee and month, `injury_rate` in 1/10,000."""

    code: str
    name: str
    weight: int
    wage_fen: int
    turnover_fen: int
    assets_percent: int
    injury_rate: int
    large: Bounds
    medium: Bounds
    small: Bounds

    def size_class(self, employees: int, revenue: int, assets: int) -> str:
        """The highest class whose bounds are all met."""
        if self.large.met(employees, revenue, assets):
            return "large"
        if self.medium.met(employees, revenue, assets):
            return "medium"
        return "small" if self.small.met(employees, revenue, assets) else "micro"


PREFECTURES = (
    Prefecture("650100", "乌鲁木齐", 300),
    Prefecture("650200", "克拉玛依", 40),
    Prefecture("650400", "吐鲁番", 30),
    Prefecture("650500", "哈密", 35),
    Prefecture("652300", "昌吉", 80),
    Prefecture("652700", "博州", 25),
    Prefecture("652800", "巴州", 70),
    Prefecture("652900", "阿克苏", 80),
    Prefecture("653000", "克州", 20),
    Prefecture("653100", "喀什", 85),
    Prefecture("653200", "和田", 45),
    Prefecture("654000", "伊犁", 110),
    Prefecture("654200", "塔城", 40),
    Prefecture("654300", "阿勒泰", 30),
    Prefecture("659000", "直辖县级市", 50),
)


# Bounds of a class as (employees, revenue in million CNY, assets in million CNY).
_Row = tuple[int | None, float | None, int | None]


def _bounds(row: _Row) -> Bounds:
    employees, revenue, assets = row
    return Bounds(
        employees,
        None if revenue is None else round(revenue * MILLION),
        None if assets is None else assets * MILLION,
    )


def _row(
    code: str, name: str, weight: int, economy: tuple[int, int, int, int], large: _Row, medium: _Row, small: _Row
) -> Industry:
    wage, turnover, assets_percent, injury_rate = economy
    return Industry(
        code,
        name,
        weight,
        wage * YUAN,
        turnover * YUAN,
        assets_percent,
        injury_rate,
        _bounds(large),
        _bounds(medium),
        _bounds(small),
    )


# fmt: off
INDUSTRIES = (
    # In yuan and percent; the bounds as in _Row. The four figures in the middle are wage, turnover, assets and injury.
    _row("agriculture", "农业", 70, (3900, 210_000, 160, 70), (None, 200, None), (None, 5, None), (None, 0.5, None)),
    _row("industry", "工业", 110, (5600, 520_000, 140, 110), (1000, 400, None), (300, 20, None), (20, 3, None)),
    _row("construction", "建筑", 95, (5100, 380_000, 110, 130), (None, 800, 800), (None, 60, 50), (None, 3, 3)),
    _row("wholesale", "批发", 140, (4700, 900_000, 60, 40), (200, 400, None), (20, 50, None), (5, 10, None)),
    _row("retail", "零售", 170, (3900, 450_000, 50, 20), (300, 200, None), (50, 5, None), (10, 1, None)),
    _row("transport", "运输", 45, (5400, 330_000, 120, 90), (1000, 300, None), (300, 30, None), (20, 2, None)),
    _row("warehousing", "仓储", 12, (4600, 360_000, 200, 70), (200, 300, None), (100, 10, None), (20, 1, None)),
    _row("postal", "邮政", 8, (4800, 180_000, 60, 40), (1000, 300, None), (300, 20, None), (20, 1, None)),
    _row("accommodation", "住宿", 22, (3600, 160_000, 220, 20), (300, 100, None), (100, 20, None), (10, 1, None)),
    _row("catering", "餐饮", 58, (3500, 170_000, 50, 20), (300, 100, None), (100, 20, None), (10, 1, None)),
    _row("telecom", "信息传输", 10, (6800, 480_000, 150, 20), (2000, 1000, None), (100, 10, None), (10, 1, None)),
    _row("software", "软件", 40, (7900, 350_000, 80, 20), (300, 100, None), (100, 10, None), (10, 0.5, None)),
    _row("real_estate", "房地产", 18, (6100, 1_200_000, 400, 40), (None, 2000, 100), (None, 10, 50), (None, 1, 20)),
    _row("property", "物业", 17, (3800, 110_000, 60, 40), (1000, 50, None), (300, 10, None), (100, 5, None)),
    _row("leasing", "商务服务", 95, (5300, 300_000, 90, 20), (300, None, 1200), (100, None, 80), (10, None, 1)),
    _row("other", "综合", 90, (4900, 220_000, 80, 190), (300, None, None), (100, None, None), (10, None, None)),
)
# fmt: on
