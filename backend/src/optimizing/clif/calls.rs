//! Calls of helpers.

use super::{Builder, kind_type, region_signature, trusted};
use crate::abi::helpers::{COUNT, Helper, SIGNATURES};
use crate::abi::{counts, layout};
use crate::lower::callee::Callee;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::types::{F32, F64, I64};
use cranelift_codegen::ir::{AbiParam, SigRef, Signature, Type, Value};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use ir::FpSize;
use std::collections::HashMap;

/// Signatures of what a region calls.
pub(super) struct Signatures {
    /// Regions, and what leaves generated code.
    pub exit: SigRef,
    /// Helpers from cold blocks.
    cold: SigRef,
    /// Helpers that have been called from others.
    helpers: HashMap<Helper, SigRef>,
    /// What has a prefetch done.
    pub prefetch: Option<SigRef>,
}

impl Signatures {
    pub fn new(fb: &mut FunctionBuilder<'_>) -> Self {
        let exit = fb.import_signature(region_signature());
        let cold = fb.import_signature(Signature::new(CallConv::PreserveAll));
        Self { exit, cold, helpers: HashMap::new(), prefetch: None }
    }
}

impl Builder<'_, '_> {
    /// Calls a helper; parameters after the `CpuState` as its signature says, numbers for their bits. Gives the result
    /// as `ty`: I64, I8X16 or a number's type.
    pub(super) fn call_helper_as(&mut self, ty: Type, helper: Helper, args: &[Value]) -> Value {
        let signature = &SIGNATURES[helper as usize];
        assert_eq!(args.len(), signature.params.len(), "{}", signature.name);
        let op = args.first().and_then(|&op| self.constant(op)).map_or(0, |op| op as usize % counts::OPS);
        self.count(counts::FIRST_HELPER + counts::OPS * helper as usize + op, 1);
        if self.is_cold {
            return self.call_helper_cold(ty, helper, args);
        }
        let sig = match self.signatures.helpers.get(&helper) {
            Some(&sig) => sig,
            None => {
                let ty = |kind| AbiParam::new(kind_type(kind));
                let mut sig = Signature::new(CallConv::SystemV);
                sig.params.push(AbiParam::new(I64));
                sig.params.extend(signature.params.iter().map(|&kind| ty(kind)));
                sig.returns.push(ty(signature.result));
                let sig = self.fb.import_signature(sig);
                self.signatures.helpers.insert(helper, sig);
                sig
            }
        };
        let mut all = vec![self.cpu()];
        assert!(!args.contains(&all[0]), "the CpuState is the first argument only, as `peephole` knows");
        for &arg in args {
            let arg = match self.fb.func.dfg.value_type(arg) {
                F64 => self.number_bits(FpSize::D, arg),
                F32 => self.number_bits(FpSize::S, arg),
                _ => arg,
            };
            all.push(arg);
        }
        let callee = self.helper_address(helper as usize);
        let call = self.fb.ins().call_indirect(sig, callee, &all);
        let result = self.fb.inst_results(call)[0];
        match ty {
            F64 => self.number_from_bits(FpSize::D, result),
            F32 => self.number_from_bits(FpSize::S, result),
            _ => result,
        }
    }

    /// From a cold block: the call preserves all registers, and operands and result are in memory, so that the likely
    /// way need neither save nor move anything.
    pub(super) fn call_helper_cold(&mut self, ty: Type, helper: Helper, args: &[Value]) -> Value {
        for (n, &arg) in args.iter().enumerate() {
            let offset = layout::operand(n);
            if self.fb.func.dfg.value_type(arg) == F32 {
                let zero = self.iconst(0);
                self.store_state(zero, offset);
            }
            self.store_state(arg, offset);
        }
        let sig = self.signatures.cold;
        let callee = self.helper_address(helper as usize + COUNT);
        self.fb.ins().call_indirect(sig, callee, &[]);
        self.load_state(ty, layout::operand(0))
    }

    pub(super) fn helper_address(&mut self, index: usize) -> Value {
        let table = self.load_state(I64, layout::backend_word(layout::HELPERS));
        self.fb.ins().load(I64, trusted(), table, 8 * index as i32)
    }

    pub(super) fn call_helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        self.call_helper_as(kind_type(SIGNATURES[helper as usize].result), helper, args)
    }
    /// The arguments of a helper for some operands.
    pub(super) fn args(&mut self, callee: Callee, operands: &[Value]) -> Vec<Value> {
        let selectors = callee.selectors().iter().map(|&selector| self.iconst(selector));
        let mut args: Vec<Value> = selectors.collect();
        args.extend(operands);
        args
    }
}
