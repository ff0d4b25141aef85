//! What users may do over S3.

/// What a user may do over S3.
///
/// It binds whoever asks with the user's keys, also in other users' buckets and by presigned URLs. Others whom a bucket of
/// the user lets in are asked about less: see each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Full,
    /// Reading and listing, no more. What is public stays readable, and whom a bucket's ACL or policy lets write still
    /// may.
    ReadOnly,
    /// Nothing. Nobody else reads the user's objects either; whom a bucket's policy lets list or write still may.
    Suspended,
}

/// The operations that radosgw tells apart, as it writes them in a user's `op_mask`.
const OPERATIONS: [&str; 3] = ["read", "write", "delete"];

impl Access {
    /// What radosgw lets a user do; `None` where that is nothing of these.
    pub(crate) fn of_user(is_suspended: bool, op_mask: &str) -> Option<Self> {
        let words = || op_mask.split([',', ' ']).filter(|word| !word.is_empty());
        match OPERATIONS.map(|operation| words().any(|word| word == operation)) {
            _ if is_suspended => Some(Self::Suspended),
            [true, true, true] => Some(Self::Full),
            [true, false, false] => Some(Self::ReadOnly),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_read_from_what_radosgw_shows() {
        for (is_suspended, op_mask, access) in [
            (false, "read, write, delete", Some(Access::Full)),
            (false, "delete,write,read", Some(Access::Full)),
            (false, "read", Some(Access::ReadOnly)),
            (false, "read, write", None),
            (false, "write, delete", None),
            (false, "<none>", None),
            (false, "", None),
            (true, "read, write, delete", Some(Access::Suspended)),
            (true, "read", Some(Access::Suspended)),
            (true, "<none>", Some(Access::Suspended)),
        ] {
            assert_eq!(Access::of_user(is_suspended, op_mask), access, "{is_suspended} {op_mask}");
        }
    }
}
