//! JSON text, appended to one buffer.

/// Everything JSON, appended. Floats are the shortest text that reads back as the same value.
pub trait Append {
    /// Quoted and escaped.
    fn string(&mut self, text: &str);
    fn integer(&mut self, value: impl itoa::Integer);
    /// JSON has no number for NaN and the infinities: they are the words that Triton and Python write and read.
    fn float(&mut self, value: impl zmij::Float + Into<f64>);
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

    fn float(&mut self, value: impl zmij::Float + Into<f64>) {
        let wide = value.into();
        if wide.is_finite() {
            self.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else if wide.is_nan() {
            self.text("NaN");
        } else {
            self.text(if wide > 0.0 { "Infinity" } else { "-Infinity" });
        }
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
            out.float(double);
            let back: f64 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert!(back == double || back.is_nan() && double.is_nan());
            out.clear();
            out.float(float);
            let back: f32 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert!(back == float || back.is_nan() && float.is_nan());
        }
    }

    #[test]
    fn floats_carry_a_point() {
        let mut out = Vec::new();
        for value in [1_f32, -0.0, 0.1, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            out.float(value);
            out.push(b' ');
        }
        assert_eq!(out, b"1.0 -0.0 0.1 NaN NaN Infinity -Infinity ");
    }
}
