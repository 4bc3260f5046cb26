//! laid out below
