//! Numbers as text, appended to a buffer: for rows by the hundred thousand, where formatting would cost most.

use crate::Decimal;

/// Appends a whole number, as it prints.
#[inline]
pub fn append_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

impl Decimal {
    /// Appends the exact value, as it prints.
    pub fn append_to(self, out: &mut Vec<u8>) {
        let (unit, digits) = (self.scale.unit().unsigned_abs(), usize::from(self.scale.digits()));
        let Ok(raw) = u64::try_from(self.raw.unsigned_abs()) else {
            out.extend_from_slice(self.to_string().as_bytes());
            return;
        };
        if self.raw < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(raw / unit).as_bytes());
        let mut fraction = raw % unit;
        if fraction == 0 {
            return;
        }
        out.push(b'.');
        let from = out.len();
        out.resize(from + digits, b'0');
        for byte in out[from..].iter_mut().rev() {
            *byte = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scale;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_they_print(
            raw in prop_oneof![any::<i64>().prop_map(i128::from), any::<i128>(), -2000i128..2000],
            digits in 0u8..=18,
        ) {
            let value = Decimal { raw, scale: Scale::new(digits).unwrap() };
            let mut out = Vec::new();
            value.append_to(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
            let mut out = Vec::new();
            append_integer(&mut out, raw as i64);
            prop_assert_eq!(String::from_utf8(out).unwrap(), (raw as i64).to_string());
        }
    }
}
