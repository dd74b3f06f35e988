//! Reference Selected Home Operator.
