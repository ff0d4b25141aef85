//! Ceph RGW Admin Ops and S3 behind one trait
