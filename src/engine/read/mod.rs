//! What to ask JumpCloud for: windows, sweeps, paging, places of rows, and how much time there is. Pure.

pub mod budget;
pub mod page_size;
pub mod paging;
pub mod position;
pub mod rows;
pub mod sweep;
pub mod window;
