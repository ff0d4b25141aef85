//! What every account uses
