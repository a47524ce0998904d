//! Data processing, register.

use super::instruction_class;

instruction_class! { DataReg;
}
