//! PHP's `unserialize`, as far as custom fields need it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The custom fields in a parameter: base64 of a serialized array, with the fields' numbers as keys.
pub(super) fn custom_fields(encoded: &str) -> Result<BTreeMap<u32, String>, String> {
    let bytes = STANDARD.decode(encoded).map_err(|error| format!("no base64: {error}"))?;
    let mut reader = Reader { rest: &bytes };
    let fields = reader.array()?;
    if reader.rest.is_empty() { Ok(fields) } else { Err("something follows the array".to_owned()) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn expect(&mut self, text: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(text.as_bytes()).ok_or_else(|| format!("{text:?} expected"))?;
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn until(&mut self, end: u8) -> Result<&'a str, String> {
        let length = self.rest.iter().position(|byte| *byte == end).ok_or("it ends too early")?;
        let taken = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(taken).map_err(|error| error.to_string())
    }

    fn number(&mut self, end: u8) -> Result<usize, String> {
        let text = self.until(end)?;
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }

    fn array(&mut self) -> Result<BTreeMap<u32, String>, String> {
        self.expect("a:")?;
        let length = self.number(b':')?;
        self.expect("{")?;
        let mut fields = BTreeMap::new();
        for _ in 0..length {
            let key = self.scalar()?;
            let key = key.parse().map_err(|_| format!("{key:?} is no field's number"))?;
            let value = self.scalar()?;
            fields.insert(key, value);
        }
        self.expect("}")?;
        Ok(fields)
    }

    /// Text, or a number as text.
    fn scalar(&mut self) -> Result<String, String> {
        match self.take(2)? {
            b"i:" | b"d:" | b"b:" => self.until(b';').map(str::to_owned),
            b"s:" => {
                let length = self.number(b':')?;
                self.expect("\"")?;
                let text = self.take(length)?.to_vec();
                self.expect("\";")?;
                String::from_utf8(text).map_err(|error| error.to_string())
            }
            b"N;" => Ok(String::new()),
            other => Err(format!("unknown type {:?}", String::from_utf8_lossy(other))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_to_the_byte() {
        let read = |text: &str| custom_fields(&STANDARD.encode(text));
        assert_eq!(
            custom_fields("YToxOntpOjE7czo2OiJHb29nbGUiO30="),
            Ok(BTreeMap::from([(1, "Google".to_owned())])),
            "PHP's own"
        );
        assert_eq!(read("a:0:{}"), Ok(BTreeMap::new()));
        let mixed = "a:3:{i:7;s:8:\"größer\";s:1:\"9\";i:-4;i:2;s:4:\"a\";}\";}";
        let expected = [(7, "größer"), (9, "-4"), (2, "a\";}")].map(|(id, value)| (id, value.to_owned()));
        assert_eq!(read(mixed), Ok(BTreeMap::from(expected)));
        for bad in
            ["", "a:1:{}", "a:1:{i:1;s:7:\"Google\";}", "a:1:{i:1;s:6:\"Google\";} ", "a:1:{s:1:\"x\";i:1;}", "O:1:{}"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(custom_fields("%").is_err());
    }
}
