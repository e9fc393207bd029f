//! JSON text, appended to one buffer.

/// Everything JSON, appended. Floats are the shortest text that reads back as the same value.
pub trait Append {
    /// Quoted and escaped.
    fn string(&mut self, text: &str);
    fn integer(&mut self, value: impl itoa::Integer);
    /// `None`, and nothing appended, for what JSON cannot say: infinities and NaN.
    #[must_use = "JSON has no infinities and no NaN"]
    fn float(&mut self, value: impl zmij::Float + Into<f64>) -> Option<()>;
    fn text(&mut self, text: &str);
}

impl Append for Vec<u8> {
    fn string(&mut self, text: &str) {
        self.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
            let (before, from) = rest.split_at(plain);
            self.extend_from_slice(before);
            let Some((byte, after)) = from.split_first() else { break };
            match byte {
                b'\n' => self.extend_from_slice(b"\\n"),
                b'\r' => self.extend_from_slice(b"\\r"),
                b'\t' => self.extend_from_slice(b"\\t"),
                0..0x20 => self.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                quoted => self.extend_from_slice(&[b'\\', *quoted]),
            }
            rest = after;
        }
        self.extend_from_slice(rest);
        self.push(b'"');
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn float(&mut self, value: impl zmij::Float + Into<f64>) -> Option<()> {
        let finite = value.into().is_finite();
        finite.then(|| self.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()))
    }

    fn text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_read_back(text: String) {
            let mut out = Vec::new();
            out.string(&text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn floats_read_back(bits: u64) {
            let (double, float) = (f64::from_bits(bits), f32::from_bits((bits >> 32).try_into().unwrap()));
            let mut out = Vec::new();
            prop_assert_eq!(out.float(double).is_some(), double.is_finite());
            prop_assert!(out.is_empty() || std::str::from_utf8(&out).unwrap().parse() == Ok(double));
            out.clear();
            prop_assert_eq!(out.float(float).is_some(), float.is_finite());
            prop_assert!(out.is_empty() || std::str::from_utf8(&out).unwrap().parse() == Ok(float));
        }
    }

    #[test]
    fn floats_carry_a_point() {
        let mut out = Vec::new();
        let _ = out.float(1_f32).and_then(|()| out.float(-0_f64)).and_then(|()| out.float(0.1_f32));
        assert_eq!(out, b"1.0-0.00.1");
    }
}
