//! What to ask JumpCloud for: windows, sweeps, paging, positions of rows, and how much time there is. Pure.

pub mod budget;
pub mod comparison;
pub mod future;
pub mod page_size;
pub mod paging;
pub mod position;
pub mod queries;
pub mod rows;
pub mod sweep;
pub mod window;

pub use self::budget::Budget;
pub use self::comparison::Counted;
pub use self::page_size::PageSize;
pub use self::paging::{Failure, PageSummary, Retry, Step, Walk, WalkError};
pub use self::position::Positions;
pub use self::rows::RowCount;
pub use self::sweep::SweepUrgency;
pub use self::window::{LaneEnd, Plan, ReadingKind};
