//! System instructions, hints, barriers, exceptions.

use super::instruction_class;
use crate::lift::system::*;

instruction_class! { System;
    UDF          "00000000 00000000 iiiiiiii iiiiiiii" []  Undefined  Stop  undefined();
}

/// The row that unallocated encodings decode to.
pub(crate) fn undefined_row() -> &'static super::Row {
    &ROWS[Id::UDF as usize]
}
