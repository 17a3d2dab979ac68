"""The part of SQL that queries may use, as data: everything that is not listed here is refused."""

from typing import Final

from sqlglot import exp

ROOTS: Final[frozenset[type[exp.Expr]]] = frozenset({exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery})

_CLAUSES: Final = {
    *ROOTS,
    *(exp.With, exp.CTE, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit),
    *(exp.Offset, exp.Fetch, exp.LimitOptions, exp.Distinct, exp.Window, exp.WindowSpec, exp.Qualify, exp.Lateral),
    *(exp.Rollup, exp.Cube, exp.GroupingSets, exp.WithinGroup, exp.Filter, exp.Table, exp.TableAlias, exp.Alias),
}
_VALUES: Final = {
    *(exp.Column, exp.Identifier, exp.Star, exp.Literal, exp.Null, exp.Boolean, exp.HexString, exp.Tuple, exp.Paren),
    *(exp.Array, exp.Interval, exp.Var, exp.DataType, exp.DataTypeParam, exp.IntervalSpan, exp.National),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
}
_OPERATORS: Final = {
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Is, exp.In, exp.Between, exp.Exists, exp.Any, exp.All, exp.Like, exp.ILike, exp.Glob, exp.SimilarTo),
    *(exp.Escape, exp.RegexpLike, exp.RegexpILike, exp.Collate, exp.AtTimeZone, exp.DPipe, exp.Neg, exp.Add, exp.Sub),
    *(exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
    *(exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Bracket),
}
_FUNCTIONS: Final = {
    *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.GroupConcat, exp.ArrayAgg, exp.Stddev),
    *(exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.PercentileCont, exp.PercentileDisc),
    *(exp.Median, exp.Mode, exp.LogicalAnd, exp.LogicalOr, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank),
    *(exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.Coalesce),
    *(exp.Nullif, exp.Greatest, exp.Least, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Trunc, exp.Sign, exp.Sqrt),
    *(exp.Pow, exp.Exp, exp.Ln, exp.Log, exp.Upper, exp.Lower, exp.Initcap, exp.Length, exp.Trim, exp.Substring),
    *(exp.Replace, exp.StrPosition, exp.Left, exp.Right, exp.Concat, exp.ConcatWs, exp.SplitPart, exp.Reverse),
    *(exp.StartsWith, exp.Typeof, exp.Unicode, exp.Chr, exp.JSONExtract, exp.JSONExtractScalar, exp.CurrentDate),
    *(exp.CurrentTime, exp.CurrentTimestamp, exp.Extract, exp.Date, exp.DateDiff, exp.TimestampTrunc, exp.DateTrunc),
    *(exp.TimeToStr, exp.StrToDate, exp.StrToTime, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.Year, exp.Month),
    *(exp.Day, exp.WidthBucket),
}

NODES: Final[frozenset[type[exp.Expr]]] = frozenset(_CLAUSES | _VALUES | _OPERATORS | _FUNCTIONS)
"""Exact classes: a subclass that a later parser adds is refused until it is listed."""

_NAMES: Final = (
    "date time datetime julianday unixepoch strftime total printf format age date_part every instr ifnull to_number "
    "make_date justify_days jsonb_array_length json_array_length"
)
NAMED_FUNCTIONS: Final = frozenset(_NAMES.split())
"""Functions the parser knows only by name."""

OFFERED_FUNCTIONS: Final = (
    "COUNT SUM AVG MIN MAX TOTAL GROUP_CONCAT ROUND ABS COALESCE NULLIF UPPER LOWER LENGTH TRIM SUBSTR REPLACE DATE "
    "STRFTIME JULIANDAY CAST CASE ROW_NUMBER RANK LAG LEAD"
)
"""The ones an error message offers."""
