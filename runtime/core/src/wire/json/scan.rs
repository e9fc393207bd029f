//! Reads JSON where it lies: one pass, no tree, no copy of what needs no unescaping.

use crate::base::fault::Fault;
use crate::wire::limits::{NAME_BYTES, too_long};
use std::borrow::Cow;

/// A place in a JSON text. White space is skipped before each token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Levels of nesting that are still allowed.
    depth: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8], depth: usize) -> Result<Scan<'a>, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            Fault::invalid(format!(
                "failed to parse the request JSON buffer: Invalid encoding in string. at {at}"
            ))
        })?;
        Ok(Scan { text, at: 0, depth })
    }

    /// What is wrong, with the words that Triton's parser puts around it.
    pub(super) fn flaw(&self, what: &str) -> Fault {
        Fault::invalid(format!("failed to parse the request JSON buffer: {what} at {}", self.at))
    }

    /// Bytes from here to the end.
    pub(super) fn left(&self) -> usize {
        self.text.len().saturating_sub(self.at)
    }

    /// From a place that was passed before, to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The byte under the head, white space included.
    #[inline]
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// The first byte of the next token, which stays where it is.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.step(),
                other => return other,
            }
        }
    }

    /// Takes `byte` if it is next.
    #[inline]
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes a word such as `true` if it is next.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        self.peek();
        self.accept_letters(word)
    }

    /// The same where no white space may stand before it.
    pub(super) fn accept_letters(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// One level of nesting down; pair it with [`Scan::leave`].
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        self.depth =
            self.depth.checked_sub(1).ok_or_else(|| self.flaw("JSON nesting is deeper than allowed"))?;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }

    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.flaw("The document root must not be followed by other values.")),
        }
    }

    /// `each` is called with every key, the head before its value, and takes the value.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&mut Scan<'a>, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.accept(b'{') {
            return Err(self.flaw("Invalid value."));
        }
        self.enter()?;
        if !self.accept(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.flaw("Missing a name for object member."));
                }
                let key = self.string_within(NAME_BYTES, "a key")?;
                if !self.accept(b':') {
                    return Err(self.flaw("Missing a colon after a name of object member."));
                }
                each(self, &key)?;
                if self.accept(b'}') {
                    break;
                }
                if !self.accept(b',') {
                    return Err(self.flaw("Missing a comma or } after an object member."));
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// `each` takes one element.
    pub(super) fn array(
        &mut self,
        mut each: impl FnMut(&mut Scan<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.accept(b'[') {
            return Err(self.flaw("Invalid value."));
        }
        self.enter()?;
        if !self.accept(b']') {
            loop {
                each(self)?;
                if self.accept(b']') {
                    break;
                }
                if !self.accept(b',') {
                    return Err(self.flaw("Missing a comma or ] after an array element."));
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Passes any value, checking it as if it were wanted. Recursion is bounded by the allowed depth.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(|scan, _| scan.skip()),
            Some(b'[') => self.array(Scan::skip),
            Some(b'"') => self.string(|_| Ok(())),
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            _ if self.accept_word("true") || self.accept_word("false") || self.accept_word("null") => Ok(()),
            _ => Err(self.flaw("Invalid value.")),
        }
    }

    /// Borrowed unless it holds an escape. `what` names it if it has more than `most` bytes.
    pub(super) fn string_within(&mut self, most: usize, what: &str) -> Result<Cow<'a, str>, Fault> {
        let place = *self;
        if !self.accept(b'"') {
            return Err(self.flaw("Invalid value."));
        }
        let start = self.at;
        if self.plain()? == b'"' {
            let text = self.since(start);
            self.step();
            return if text.len() > most { Err(too_long(what, most)) } else { Ok(Cow::Borrowed(text)) };
        }
        *self = place;
        let mut owned = String::new();
        self.string(|part| {
            if owned.len() + part.len() > most {
                return Err(too_long(what, most));
            }
            owned.push_str(part);
            Ok(())
        })?;
        Ok(Cow::Owned(owned))
    }

    /// `each` takes the parts of a string, one behind the other: what stands for itself, and what was escaped.
    pub(super) fn string(&mut self, mut each: impl FnMut(&str) -> Result<(), Fault>) -> Result<(), Fault> {
        if !self.accept(b'"') {
            return Err(self.flaw("Invalid value."));
        }
        loop {
            let start = self.at;
            let end = self.plain()?;
            each(self.since(start))?;
            self.step();
            if end == b'"' {
                return Ok(());
            }
            each(self.escape()?.encode_utf8(&mut [0; 4]))?;
        }
    }

    /// Passes what stands for itself in a string, up to a quotation mark or a backslash.
    #[inline]
    fn plain(&mut self) -> Result<u8, Fault> {
        loop {
            match self.byte() {
                Some(end @ (b'"' | b'\\')) => return Ok(end),
                Some(0..0x20) => return Err(self.flaw("Invalid encoding in string.")),
                Some(_) => self.step(),
                None => return Err(self.flaw("Missing a closing quotation mark in string.")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let code = self.byte();
        let plain = match code {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.step();
                return self.unicode();
            }
            _ => return Err(self.flaw("Invalid escape character in string.")),
        };
        self.step();
        Ok(plain)
    }

    /// Four hexadecimal digits, or two times four around `\u` for a surrogate pair.
    fn unicode(&mut self) -> Result<char, Fault> {
        let high = self.hex()?;
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) && self.accept_raw(b'\\') && self.accept_raw(b'u') {
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code).ok_or_else(|| self.flaw("The surrogate pair in string is invalid."))
    }

    fn accept_raw(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
        });
        let code = code.ok_or_else(|| self.flaw("Incorrect hex digit after \\u escape in string."))?;
        self.at += 4;
        Ok(code)
    }
}
