//! Numbers as texts. A text that can be read in two ways is read in neither, unless its field or its file says which.

/// How texts of SQN are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Decimal,
    /// Twelve hexadecimal digits, as TS 35.208, srsEPC and free5GC write them.
    Hexadecimal,
}

/// How a file writes its SQNs, as far as it has been seen.
#[derive(Debug, Default)]
pub(super) struct SqnNotation {
    /// And on which line that was seen.
    seen: Option<(Notation, u64)>,
}

/// Digits of an SQN, 48 bits, in hexadecimal (TS 33.102 C.1.1.1).
const SQN_DIGITS: usize = 12;

impl SqnNotation {
    /// Reads an SQN. `0x` is hexadecimal, a number without leading zeros is decimal, twelve digits that begin with 0 or
    /// hold a letter are hexadecimal. What could be either is read as the lines before it were.
    ///
    /// # Errors
    /// Why it is no number, or both readings.
    pub(super) fn read(&mut self, text: &str, line: u64) -> Result<u64, String> {
        if let Some(number) = plain(text)? {
            return Ok(number);
        }
        let (decimal, hexadecimal) = readings(text);
        let Some(hexadecimal) = hexadecimal else { return Err(no_number(text)) };
        let looks = match decimal {
            // A letter.
            None if text.len() == SQN_DIGITS => Some(Notation::Hexadecimal),
            None => return Err(format!("has hexadecimal digits; write 0x{text}")),
            // 0, or one digit behind zeros.
            Some(decimal) if decimal == hexadecimal => return Ok(decimal),
            Some(_) if text.len() == SQN_DIGITS && text.starts_with('0') => Some(Notation::Hexadecimal),
            Some(decimal) if text.starts_with('0') => return Err(ambiguous(text, decimal)),
            Some(_) if text.len() == SQN_DIGITS => None,
            Some(_) => Some(Notation::Decimal),
        };
        match (self.seen, looks) {
            (Some((seen, at)), Some(looks)) if seen != looks => Err(format!(
                "{}, but line {at} has it in {}",
                ambiguous(text, decimal.unwrap_or(hexadecimal)),
                match seen {
                    Notation::Decimal => "decimal",
                    Notation::Hexadecimal => "twelve hexadecimal digits",
                }
            )),
            (None, None) => Err(ambiguous(text, decimal.unwrap_or(hexadecimal))),
            (Some((notation, _)), _) | (None, Some(notation)) => {
                self.seen.get_or_insert((notation, line));
                Ok(match notation {
                    Notation::Decimal => decimal.unwrap_or(hexadecimal),
                    Notation::Hexadecimal => hexadecimal,
                })
            }
        }
    }
}

/// Reads an SQN where only hexadecimal is meant: srsEPC, free5GC, TS 29.503 (`Sqn` is twelve hexadecimal digits).
pub(super) fn hexadecimal(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    readings(digits).1.ok_or_else(|| no_number(text))
}

/// Reads a number, decimal or 0x and hexadecimal.
///
/// # Errors
/// Why it is none, or both readings.
pub(super) fn number(text: &str) -> Result<u64, String> {
    if let Some(number) = plain(text)? {
        return Ok(number);
    }
    match readings(text) {
        (Some(decimal), hexadecimal) if !text.starts_with('0') || hexadecimal == Some(decimal) => Ok(decimal),
        (Some(decimal), _) => Err(ambiguous(text, decimal)),
        (None, Some(_)) => Err(format!("has hexadecimal digits; write 0x{text}")),
        (None, None) => Err(no_number(text)),
    }
}

/// What has one reading only: with 0x, or as a double (`64.0`).
fn plain(text: &str) -> Result<Option<u64>, String> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return readings(digits).1.map(Some).ok_or_else(|| no_number(text));
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && !fraction.is_empty()
        && fraction.bytes().all(|c| c == b'0')
        && !(whole.len() > 1 && whole.starts_with('0'))
    {
        return readings(whole).0.map(Some).ok_or_else(|| no_number(text));
    }
    Ok(None)
}

/// As decimal and as hexadecimal digits.
fn readings(text: &str) -> (Option<u64>, Option<u64>) {
    let read = |base| {
        let digit = |c: char| c.is_digit(base);
        (!text.is_empty() && text.chars().all(digit)).then(|| u64::from_str_radix(text, base).ok()).flatten()
    };
    (read(10), read(16))
}

fn ambiguous(text: &str, decimal: u64) -> String {
    format!("can be hexadecimal or decimal; write 0x{text}, or {decimal}")
}

fn no_number(text: &str) -> String {
    if is_scientific(text) {
        "was changed by a spreadsheet (a number with E), and digits are lost; export it again, the column formatted as text"
            .to_owned()
    } else {
        "is to be a whole number, decimal or 0x and hexadecimal".to_owned()
    }
}

/// What a spreadsheet makes of a number that is too long for it: `9.9971E+14`.
pub(super) fn is_scientific(text: &str) -> bool {
    text.split_once(['E', 'e']).is_some_and(|(mantissa, exponent)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        exponent.strip_prefix('+').is_some_and(digits)
            && mantissa.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b','))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first of a file.
    fn sqn(text: &str) -> Result<u64, String> {
        SqnNotation::default().read(text, 2)
    }

    #[test]
    fn an_sqn_of_twelve_digits_is_hexadecimal_where_it_shows() {
        for (text, wanted) in [
            ("000000001234", 0x1234),
            ("0000000030c8", 0x30c8),
            ("16f3b3f70fc2", 0x16f3_b3f7_0fc2),
            ("FF9BB4D0B607", 0xff9b_b4d0_b607),
            ("0x1234", 0x1234),
            ("97", 97),
            ("64.0", 64),
            ("0", 0),
            ("000000000000", 0),
            ("000000000007", 7),
            ("281474976710655", 281_474_976_710_655),
        ] {
            assert_eq!(sqn(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_with_both() {
        for (text, both) in [
            ("123456789012", "write 0x123456789012, or 123456789012"),
            ("0097", "write 0x0097, or 97"),
            ("00000000000000000281", "write 0x00000000000000000281, or 281"),
            ("30c8", "write 0x30c8"),
            ("2.81475E+14", "spreadsheet"),
            ("-1", "whole number"),
            ("1.5", "whole number"),
            ("", "whole number"),
        ] {
            assert!(sqn(text).unwrap_err().contains(both), "{text}: {:?}", sqn(text));
        }
        assert!(number("010").unwrap_err().contains("write 0x010, or 10"));
        assert_eq!((number("10"), number("0x10"), number("0")), (Ok(10), Ok(16), Ok(0)));
    }

    #[test]
    fn a_file_has_one_notation() {
        let mut notation = SqnNotation::default();
        assert_eq!(notation.read("0000000030c8", 2), Ok(0x30c8));
        assert_eq!(notation.read("123456789012", 3), Ok(0x1234_5678_9012));
        assert!(notation.read("97", 4).unwrap_err().contains("line 2 has it in twelve hexadecimal digits"));
        let mut notation = SqnNotation::default();
        assert_eq!(notation.read("97", 2), Ok(97));
        assert_eq!(notation.read("123456789012", 3), Ok(123_456_789_012));
        let error = notation.read("000000001234", 4).unwrap_err();
        assert!(error.contains("write 0x000000001234, or 1234") && error.contains("line 2"), "{error}");
        assert_eq!(notation.read("0x10", 5), Ok(16));
    }
}
