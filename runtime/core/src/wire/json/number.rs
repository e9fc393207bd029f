//! A JSON number as a token, and exact values of it.

use super::scan::Scan;
use crate::base::fault::Fault;

/// Digits and exponent as they stand: `(-)mantissa · 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// Neither a point nor an exponent stands in it.
    whole: bool,
    /// The mantissa holds all digits.
    complete: bool,
}

/// All powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl<'a> Scan<'a> {
    /// A number by JSON's grammar: no leading zeros or plus, a digit on both sides of the point.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'a>, Fault> {
        self.peek();
        let start = self.at();
        // On a copy, which stays in registers: nobody else sees it move.
        let mut here = *self;
        let read = here.read_number();
        *self = here;
        match read {
            Ok(number) => Ok(Number { text: self.since(start), ..number }),
            Err(what) => Err(self.flaw(what)),
        }
    }

    /// All but its text; else what is wrong here.
    #[inline]
    fn read_number(&mut self) -> Result<Number<'a>, &'static str> {
        let negative = self.byte() == Some(b'-');
        if negative {
            self.step();
        }
        let first = self.at();
        let mut number = Number { text: "", negative, mantissa: 0, exponent: 0, whole: true, complete: true };
        if self.byte() == Some(b'0') {
            self.step();
        } else {
            self.digits(&mut number)?;
        }
        // Up to 19 digits fit 64 bits whatever they are; a leading "0." counts as one, which costs nothing.
        let mut digits = self.at() - first;
        if self.byte() == Some(b'.') {
            self.step();
            number.whole = false;
            let point = self.at();
            self.digits(&mut number)?;
            let behind = self.at() - point;
            digits += behind;
            number.exponent = i32::try_from(behind).map_or(i32::MIN, |behind| -behind);
        }
        if let Some(b'e' | b'E') = self.byte() {
            number.whole = false;
            number.exponent = number.exponent.saturating_add(self.exponent()?);
        }
        number.complete = digits <= 19;
        Ok(number)
    }

    #[inline]
    fn digits(&mut self, number: &mut Number<'_>) -> Result<(), &'static str> {
        let start = self.at();
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            number.mantissa = number.mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.step();
        }
        if self.at() == start { Err("Invalid value.") } else { Ok(()) }
    }

    #[inline]
    fn exponent(&mut self) -> Result<i32, &'static str> {
        self.step();
        let negative = self.byte() == Some(b'-');
        if negative || self.byte() == Some(b'+') {
            self.step();
        }
        let mut exponent = 0_i32;
        let start = self.at();
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            exponent = exponent.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
            self.step();
        }
        if self.at() == start {
            return Err("Miss exponent in number.");
        }
        Ok(if negative { -exponent } else { exponent })
    }
}

impl Number<'_> {
    /// The nearest double, ties to even; `None` beyond the largest.
    #[inline]
    pub(super) fn to_f64(self) -> Option<f64> {
        match self.simple() {
            Some(value) => Some(value),
            None => self.text.parse().ok().filter(|value: &f64| value.is_finite()),
        }
    }

    /// The nearest float, rounded once; `None` beyond the largest.
    #[inline]
    pub(super) fn to_f32(self) -> Option<f32> {
        match self.simple() {
            // Rounding twice differs from rounding once only where the double lies in the middle of two floats.
            Some(value) if value.to_bits() & 0x1fff_ffff != 0x1000_0000 =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "rounding is what is wanted; |value| < 1e38"
                )]
                Some(value as f32)
            }
            _ => self.text.parse().ok().filter(|value: &f32| value.is_finite()),
        }
    }

    /// One exactly rounded operation on two exact doubles, where the number allows it: most do.
    /// The result is 0 or within 1e-22 … 2^53 · 1e22, so far from what a float cannot hold.
    #[inline]
    fn simple(self) -> Option<f64> {
        if !self.complete || self.mantissa > 1 << 53 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "up to 2^53 there is none")]
        let mantissa = self.mantissa as f64;
        let power = POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let size = if self.exponent < 0 { mantissa / power } else { mantissa * power };
        Some(if self.negative { -size } else { size })
    }

    /// `None` for a point, an exponent, a negative number or one that does not fit.
    #[inline]
    pub(super) fn to_u64(self) -> Option<u64> {
        if !self.whole || (self.negative && self.mantissa != 0) {
            return None;
        }
        if self.complete { Some(self.mantissa) } else { self.text.parse().ok() }
    }

    /// `None` for a point, an exponent or a number that does not fit.
    #[inline]
    pub(super) fn to_i64(self) -> Option<i64> {
        if !self.whole {
            return None;
        }
        match i64::try_from(self.mantissa) {
            Ok(size) if self.complete => Some(if self.negative { -size } else { size }),
            _ => self.text.parse().ok(),
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Option<Number<'_>> {
        let mut scan = Scan::new(text.as_bytes(), 1).unwrap();
        scan.number().ok().filter(|_| scan.end().is_ok())
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for good in ["0", "-0", "10", "-1.5", "1e5", "1E+5", "0.001e-7", "123456789012345678901234567890"] {
            assert!(number(good).is_some(), "{good}");
        }
        for bad in
            ["", "-", "01", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "1 2", "--1", "-01"]
        {
            assert!(number(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn integers_fit_or_are_none() {
        let whole = |text| (number(text).unwrap().to_i64(), number(text).unwrap().to_u64());
        assert_eq!(whole("9223372036854775807"), (Some(i64::MAX), Some(9_223_372_036_854_775_807)));
        assert_eq!(whole("-9223372036854775808"), (Some(i64::MIN), None));
        assert_eq!(whole("-9223372036854775809"), (None, None));
        assert_eq!(whole("18446744073709551615"), (None, Some(u64::MAX)));
        assert_eq!(whole("18446744073709551616"), (None, None));
        assert_eq!(whole("99999999999999999999999"), (None, None));
        assert_eq!(
            (whole("1.0"), whole("1e0"), whole("-0")),
            ((None, None), (None, None), (Some(0), Some(0)))
        );
    }

    #[test]
    fn what_is_too_large_is_none() {
        assert_eq!((number("1e400").unwrap().to_f64(), number("1e39").unwrap().to_f32()), (None, None));
        assert_eq!(number("1e-99999999999").unwrap().to_f64(), Some(0.0));
    }

    proptest! {
        #[test]
        fn decimals_round_as_the_standard_library_does(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?") {
            let number = number(&text).unwrap();
            prop_assert_eq!(number.to_f64(), text.parse().ok().filter(|value: &f64| value.is_finite()));
            prop_assert_eq!(number.to_f32(), text.parse().ok().filter(|value: &f32| value.is_finite()));
        }

        #[test]
        fn middles_of_two_floats_round_once(bits: u32, tail in "[0-9]{0,6}") {
            let low = f64::from(f32::from_bits(bits & 0x3fff_ffff | 0x3000_0000));
            let middle = f64::from_bits(low.to_bits() | 0x1000_0000);
            let text = format!("{middle:.15}{tail}");
            prop_assert_eq!(number(&text).unwrap().to_f32(), text.parse().ok());
        }
    }
}
