"""The values everything else is made of: facts, assessments, findings, plans. No I/O, no clock, no formulas."""
