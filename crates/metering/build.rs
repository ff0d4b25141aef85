//! Cargo doesn't see that a file was added to a folder that a macro reads.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
