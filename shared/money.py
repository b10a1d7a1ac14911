"""Money is integer fen; a rate is an integer number of basis points (1/10,000). Nothing here knows a float."""

BASIS = 10_000


def share_half_up(amount_fen: int, rate_bp: int) -> int:
    """`amount_fen * rate`, rounded to the nearest fen, half a fen up. Both arguments non-negative."""
    return (2 * amount_fen * rate_bp + BASIS) // (2 * BASIS)


def yuan(amount_fen: int) -> str:
    """`123456` as `1,234.56`, exact, sign first."""
    sign, fen = ("-", -amount_fen) if amount_fen < 0 else ("", amount_fen)
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"
