//! From regions to machine code: owns Cranelift's contexts and the module that stands for one generation of the
//! code cache. Knows nothing of who asks, nor of links.

use crate::abi::frame::{FRAME_BYTES, Place};
use crate::abi::mode::Mode;
use crate::abi::trampoline::CodePtr;
use crate::codecache::generation::Generation;
use crate::codecache::object::Compiled;
use crate::config::Holding;
use crate::deopt::location::Location;
use crate::deopt::recovery::Recovery;
use crate::deopt::source::Source;
use crate::inject::{self, Failure};
use crate::optimizing::clif::{Builder, Built, FlagsAt, Labels, drop_needless_merges, region_signature};
use crate::optimizing::machine::{self, Placed, Registers};
use crate::optimizing::provider::Provider;
use crate::optimizing::region::{Plan, Region};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{
    CodegenError, CompiledCode, Context, FinalizedMachReloc, FinalizedRelocTarget, LabelValueLoc, RegClass,
    ValueLocRange,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, ModuleError, ModuleReloc};
use ir::{Frontend, RegSet};
use std::collections::HashMap;
use std::sync::Arc;

/// Texts for `-d clif,out_asm`, made when asked for.
#[derive(Debug, Default)]
pub struct Listing {
    /// The region's CLIF.
    pub clif: Option<String>,
    /// The host instructions.
    pub host_asm: Option<String>,
}

/// Why a region was not compiled.
#[derive(Debug)]
pub enum CompileError {
    /// The code cache has no room: flush it.
    CacheFull,
    /// Cranelift refuses the function. Tier 0 keeps the region.
    Refused(String),
}

/// Compiles one region at a time.
pub struct Compiler {
    generation: Arc<Generation>,
    isa: OwnedTargetIsa,
    /// The same, for functions that have been optimized already.
    optimized: OwnedTargetIsa,
    module: JITModule,
    context: Context,
    builder_context: FunctionBuilderContext,
}

fn host_isa(opt_level: &str) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        ("enable_pinned_reg", "true"),
        // `verify` does it, before the conventions are exchanged.
        ("enable_verifier", "false"),
        // Tail calls need it on x86-64.
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
        // Where basic blocks begin, for `peephole`.
        ("machine_code_cfg_info", "true"),
    ] {
        flags.set(name, value).map_err(|e| e.to_string())?;
    }
    let isa = cranelift_native::builder()?;
    isa.finish(settings::Flags::new(flags)).map_err(|e| e.to_string())
}

fn new_module(isa: &OwnedTargetIsa, generation: &Arc<Generation>) -> JITModule {
    let mut builder = JITBuilder::with_isa(isa.clone(), cranelift_module::default_libcall_names());
    builder.memory_provider(Box::new(Provider(Arc::clone(generation))));
    JITModule::new(builder)
}

impl Compiler {
    /// Sets up Cranelift for this host.
    pub fn new(generation: Arc<Generation>) -> Result<Self, String> {
        let isa = host_isa("speed")?;
        let optimized = host_isa("none")?;
        let module = new_module(&isa, &generation);
        let context = module.make_context();
        Ok(Self { generation, isa, optimized, module, context, builder_context: FunctionBuilderContext::new() })
    }

    /// Compiles `region`, as `mode` says.
    pub fn compile<F: Frontend>(
        &mut self,
        region: &Region<F::Insn>,
        mode: Mode,
        wanted: (bool, bool),
    ) -> Result<(Compiled, Listing), CompileError> {
        if self.generation.memory.is_full() {
            return Err(CompileError::CacheFull);
        }
        let (clif, host_asm) = wanted;
        let mut listing = Listing::default();
        let mut build = |compiler: &mut Self, may_hold| {
            let mut built = compiler.build::<F>(region, mode, may_hold)?;
            listing.clif = clif.then(|| compiler.context.func.display().to_string());
            compiler.generate(&mut built.labels)?;
            let compiled = compiler.context.compiled_code().expect("it has just been compiled");
            let recoveries = match mode.holding == Holding::Never && built.holds() {
                true => Err(may_hold),
                false => recoveries(compiled, &built),
            };
            Ok((built, recoveries))
        };
        let mut may_hold = RegSet::ALL;
        let (built, (mut recoveries, sources)) = loop {
            match build(self, may_hold)? {
                (built, Ok(recoveries)) => break (built, recoveries),
                // Cranelift has lost values, as it may.
                (_, Err(lost)) => {
                    let rest = may_hold.without(lost);
                    may_hold = if may_hold == RegSet::ALL { rest } else { RegSet::default() };
                }
            }
        };
        let (code, placed) = self.place(&held(&recoveries, &sources))?;
        let compiled = self.context.compiled_code().expect("it has just been compiled");
        for recovery in &mut recoveries {
            recovery.offset = placed.offset(recovery.offset);
        }
        let locations = compiled
            .buffer
            .get_srclocs_sorted()
            .iter()
            .filter(|s| !s.loc.is_default())
            .map(|s| {
                let location = &built.locations[s.loc.bits() as usize];
                let flags = match location.flags {
                    FlagsAt::Memory => 0,
                    FlagsAt::Source(number) => number + 1,
                    FlagsAt::Edge => Location::FLAGS_BY_EDGE,
                };
                Location {
                    offset: placed.offset(s.start),
                    flags,
                    pc: location.pc,
                    performed: location.performed as u16,
                }
            })
            .collect();
        listing.host_asm = host_asm.then(|| {
            let block_starts: Vec<u32> = compiled.bb_starts.iter().map(|&start| placed.offset(start)).collect();
            let relocations: Vec<u32> = compiled.buffer.relocs().iter().map(|r| placed.offset(r.offset)).collect();
            machine::listing(&placed.code, &block_starts, &relocations)
        });
        let bytes = placed.code.len() as u32;
        let flag_sources = built.flag_sources;
        let exits = built.exits;
        let would_hold = built.would_hold;
        let compiled =
            Compiled { code, bytes, exits, counter: None, locations, flag_sources, recoveries, sources, would_hold };
        Ok((compiled, listing))
    }

    /// Builds the CLIF of a region in the context.
    fn build<F: Frontend>(
        &mut self,
        region: &Region<F::Insn>,
        mode: Mode,
        may_hold: RegSet,
    ) -> Result<Built, CompileError> {
        let plan = Plan::new::<F>(region, may_hold, mode.holding);
        self.module.clear_context(&mut self.context);
        self.context.func.signature = region_signature();
        self.context.func.name = UserFuncName::user(0, region.entry().0 as u32);
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder_context);
        let built =
            Builder::build::<F>(builder, region, &plan, mode, &self.generation.memory, self.isa.frontend_config());
        built.ok_or(CompileError::CacheFull)
    }

    /// Compiles the context's function.
    fn generate(&mut self, labels: &mut Labels) -> Result<(), CompileError> {
        verify(&self.context.func, &*self.isa);
        preserve_nothing(&mut self.context.func);
        drop_needless_merges(&mut self.context.func);
        let isa = if labels.is_empty() {
            &*self.isa
        } else {
            self.optimize(labels).map_err(refused)?;
            &*self.optimized
        };
        if inject::is_due(Failure::Cranelift) {
            return Err(CompileError::Refused("this failure has been asked for".to_owned()));
        }
        let compiled = self.context.compile(isa, &mut ControlPlane::default());
        compiled.map(|_| ()).map_err(|e| refused(e.inner))
    }

    /// Does what Cranelift does to optimize, and puts labels on what it has made.
    fn optimize(&mut self, labels: &mut Labels) -> Result<(), CodegenError> {
        let (context, isa) = (&mut self.context, &*self.isa);
        context.flowgraph();
        context.eliminate_unreachable_code(isa)?;
        context.remove_constant_phis(isa)?;
        labels.complete(&context.func);
        context.func.dfg.resolve_all_aliases();
        context.egraph_pass(isa, &mut ControlPlane::default())?;
        // Cranelift would do this later: arguments have turned out to be the same.
        context.remove_constant_phis(isa)?;
        labels.complete(&context.func);
        labels.attach(&mut context.func);
        Ok(())
    }

    /// Improves what has been compiled, and places it, given the registers held, by offsets of accesses.
    fn place(&mut self, held: &[(u32, Registers)]) -> Result<(CodePtr, Placed), CompileError> {
        let compiled = self.context.compiled_code().expect("it has just been compiled");
        let relocations: Vec<u32> = compiled.buffer.relocs().iter().map(|relocation| relocation.offset).collect();
        let code = compiled.code_buffer();
        // Such a relocation would have to follow what it names. Regions have none.
        let is_own = |r: &FinalizedMachReloc| matches!(r.target, FinalizedRelocTarget::Func(_));
        let may_move = !compiled.buffer.relocs().iter().any(is_own);
        let improved = may_move.then(|| machine::improve(code, &compiled.bb_starts, &relocations, held)).flatten();
        let placed = improved.unwrap_or_else(|| Placed::same(code));
        let id = self.module.declare_anonymous_function(&self.context.func.signature).map_err(explain)?;
        let moved = |relocation| {
            let mut relocation = ModuleReloc::from_mach_reloc(relocation, &self.context.func, id);
            relocation.offset = placed.offset(relocation.offset);
            relocation
        };
        let relocations: Vec<ModuleReloc> = compiled.buffer.relocs().iter().map(moved).collect();
        let alignment = u64::from(compiled.buffer.alignment);
        self.module.define_function_bytes(id, alignment, &placed.code, &relocations).map_err(explain)?;
        self.module.finalize_definitions().map_err(explain)?;
        Ok((CodePtr(self.module.get_finalized_function(id) as u64), placed))
    }

    /// From now on code goes into `generation`.
    pub fn turn_to(&mut self, generation: &Arc<Generation>) {
        if !Arc::ptr_eq(&self.generation, generation) {
            self.module = new_module(&self.isa, generation);
            self.generation = Arc::clone(generation);
        }
    }
}

/// Where what is held is at each guest access, with what that follows from; or, if some of it is nowhere, registers that
/// should not be held.
fn recoveries(compiled: &CompiledCode, built: &Built) -> Result<(Vec<Recovery>, Vec<Source>), RegSet> {
    let mut recoveries = Vec::new();
    let mut sources = Vec::new();
    if !built.holds() {
        return Ok((recoveries, sources));
    }
    let mut lost = RegSet::default();
    // By what is held, its last source: most accesses find values where those before did.
    let mut last: HashMap<(usize, usize), u32> = HashMap::new();
    let buffer = &compiled.buffer;
    // With the caller's rbp, or what has its place, and the return address.
    let frame = buffer.frame_layout().ok_or(RegSet::ALL)?;
    let frame_bytes = u64::from(frame.frame_to_fp_offset) + 16;
    for access in buffer.traps() {
        let after = buffer.get_srclocs_sorted().partition_point(|s| s.start <= access.offset);
        let Some(here) = after.checked_sub(1).map(|last| &buffer.get_srclocs_sorted()[last]) else { continue };
        if here.loc.is_default() || access.offset >= here.end {
            continue;
        }
        let place = |label: u32| {
            let labels = built.labels.labels(label).iter();
            let mut ranges = labels.filter_map(|label| compiled.value_labels_ranges.get(label)).flatten();
            let holds = |range: &&ValueLocRange| range.start <= access.offset && access.offset < range.end;
            place_of(ranges.find(holds)?.loc, frame_bytes).map(Source::Host)
        };
        let of_label = |label: u32| place(label).or_else(|| built.labels.other(label)?.located(&place));
        let location = &built.locations[here.loc.bits() as usize];
        let Some((segment, loads)) = location.held else { continue };
        let held = &built.held[segment];
        for (number, (register, source)) in held.registers.iter().chain(&held.loads[..loads]).enumerate() {
            let set = register.set();
            if !set.is_empty() && set.intersection(location.redone) == set {
                continue;
            }
            let place = match source.located(&of_label) {
                None => {
                    lost = lost.union(register.set());
                    continue;
                }
                Some(Source::Host(place)) => place,
                Some(source) => {
                    let known = last.get(&(segment, number)).filter(|&&known| sources[known as usize] == source);
                    Place::Source(known.copied().unwrap_or_else(|| {
                        sources.push(source);
                        let new = sources.len() as u32 - 1;
                        last.insert((segment, number), new);
                        new
                    }))
                }
            };
            recoveries.push(Recovery { offset: access.offset, register: *register, place });
        }
    }
    recoveries.sort_by_key(|recovery| recovery.offset);
    if lost.is_empty() { Ok((recoveries, sources)) } else { Err(lost) }
}

/// The general registers in which something is held, by offsets of accesses.
fn held(recoveries: &[Recovery], sources: &[Source]) -> Vec<(u32, Registers)> {
    let mut held: Vec<(u32, Registers)> = Vec::new();
    for recovery in recoveries {
        let mut registers = 0;
        let mut add = |place: Place| {
            if let Place::General(number) = place {
                registers |= 1 << number;
            }
        };
        match recovery.place {
            Place::Source(number) => sources[number as usize].places(&mut add),
            place => add(place),
        }
        match held.last_mut() {
            Some((offset, others)) if *offset == recovery.offset => *others |= registers,
            _ => held.push((recovery.offset, registers)),
        }
    }
    held
}

/// A place, if the fault handler saves it. Offsets in the frame are from its upper end.
fn place_of(place: LabelValueLoc, frame_bytes: u64) -> Option<Place> {
    match place {
        LabelValueLoc::Reg(register) => {
            let register = register.to_real_reg()?;
            match register.class() {
                RegClass::Int => Some(Place::General(register.hw_enc())),
                RegClass::Float => Some(Place::Vector(register.hw_enc())),
                RegClass::Vector => None,
            }
        }
        LabelValueLoc::CFAOffset(offset) => {
            let above = frame_bytes.checked_add_signed(offset)?;
            let is_saved = above < FRAME_BYTES.min(frame_bytes) && above.is_multiple_of(8);
            is_saved.then_some(Place::Frame(above as u16))
        }
    }
}

/// In builds with debug assertions: the CLIF we build is valid.
fn verify(func: &Function, isa: &dyn TargetIsa) {
    if cfg!(debug_assertions)
        && let Err(errors) = cranelift_codegen::verify_function(func, isa)
    {
        panic!("the CLIF we build is valid: {errors}");
    }
}

/// Makes regions preserve no registers for their callers: callers keep nothing in them but the address of their entry.
///
/// CLIF has tail calls in the `tail` convention only, in which rbx and r12 to r14 are the caller's. So the CLIF is
/// built and verified with that, and then gets the `winch` convention: argument in rdi, result in rax, and every
/// register but rsp, rbp and the pinned r15 is the callee's. Code generation for x86-64 knows of the convention where
/// it chooses registers for arguments and results, what a call clobbers, and what a frame saves; tail calls are the
/// same in both, as long as no arguments are on the stack. Only a debug assertion of Cranelift's refuses them; the
/// workspace's Cargo.toml turns that off. The tests below would notice another Cranelift that does otherwise.
fn preserve_nothing(func: &mut Function) {
    let signatures = func.stencil.dfg.signatures.values_mut();
    for signature in signatures.chain([&mut func.stencil.signature]) {
        if signature.call_conv == CallConv::Tail {
            signature.call_conv = CallConv::Winch;
        }
    }
}

fn refused(error: CodegenError) -> CompileError {
    CompileError::Refused(error.to_string())
}

fn explain(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { .. } => CompileError::CacheFull,
        other => CompileError::Refused(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::layout;
    use crate::abi::trampoline;
    use cranelift_codegen::ir::condcodes::FloatCC;
    use cranelift_codegen::ir::immediates::V128Imm;
    use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8X16, I32, I64};
    use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, SigRef, Type, Value};
    use ir::GuestAddr;
    use ir::Vcpu;

    /// More values than there are registers.
    const VALUES: i32 = 20;

    /// Changes every general register that a region may change. The result is the argument, doubled.
    const CLOBBER: [u8; 39] = [
        0x48, 0x8d, 0x04, 0x3f, // lea rax, [rdi + rdi]
        0x31, 0xdb, // xor ebx, ebx
        0x31, 0xc9, 0x31, 0xd2, 0x31, 0xf6, 0x31, 0xff, // xor of ecx, edx, esi, edi
        0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xdb, // of r8d to r11d
        0x45, 0x31, 0xe4, 0x45, 0x31, 0xed, 0x45, 0x31, 0xf6, // of r12d to r14d
        0x0f, 0x57, 0xc0, // xorps xmm0, xmm0
        0xc3, // ret
    ];
    /// Returns the argument.
    const IDENTITY: [u8; 4] = [0x48, 0x89, 0xf8, 0xc3];

    struct Function<'a> {
        fb: FunctionBuilder<'a>,
        sig: SigRef,
        argument: Value,
    }

    impl Function<'_> {
        /// Xn.
        fn x(&mut self, n: i32) -> Value {
            let cpu = self.fb.ins().get_pinned_reg(I64);
            self.fb.ins().load(I64, MemFlagsData::trusted(), cpu, layout::x(n as usize))
        }

        fn registers(&mut self) -> Vec<Value> {
            (0..VALUES).map(|n| self.x(n)).collect()
        }

        /// The sum of the values, and `more`.
        fn sum(&mut self, values: &[Value], more: Value) -> Value {
            values.iter().fold(more, |sum, &value| self.fb.ins().iadd(sum, value))
        }

        fn call(&mut self, code: CodePtr, argument: Value) -> Value {
            let code = self.fb.ins().iconst(I64, code.0 as i64);
            let call = self.fb.ins().call_indirect(self.sig, code, &[argument]);
            self.fb.inst_results(call)[0]
        }

        fn go_on(&mut self, code: CodePtr, argument: Value) {
            let code = self.fb.ins().iconst(I64, code.0 as i64);
            self.fb.ins().return_call_indirect(self.sig, code, &[argument]);
        }
    }

    fn compile(compiler: &mut Compiler, build: impl FnOnce(&mut Function)) -> (CodePtr, String) {
        compiler.module.clear_context(&mut compiler.context);
        compiler.context.func.signature = region_signature();
        let mut fb = FunctionBuilder::new(&mut compiler.context.func, &mut compiler.builder_context);
        let block = fb.create_block();
        fb.append_block_params_for_function_params(block);
        fb.switch_to_block(block);
        fb.seal_block(block);
        let argument = fb.block_params(block)[0];
        let sig = fb.import_signature(region_signature());
        let mut function = Function { fb, sig, argument };
        build(&mut function);
        function.fb.finalize(compiler.isa.frontend_config());
        compiler.context.set_disasm(true);
        compiler.generate(&mut Labels::default()).unwrap();
        let (code, _) = compiler.place(&[]).unwrap();
        let asm = compiler.context.compiled_code().unwrap().vcode.clone().unwrap();
        (code, asm)
    }

    fn run(code: CodePtr) -> u64 {
        let mut cpu = Vcpu::default();
        cpu.backend[layout::EXIT] = trampoline::exit_stub();
        for n in 0..32 {
            cpu.x[n] = 1000 + n as u64;
        }
        cpu.pc = GuestAddr(7);
        trampoline::enter_region(&mut cpu, code)
    }

    fn sum_of_registers() -> u64 {
        (0..VALUES as u64).map(|n| 1000 + n).sum()
    }

    #[test]
    fn values_outlive_calls_that_preserve_nothing() {
        let generation = Generation::new(1 << 22).unwrap();
        let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
        let mut compiler = Compiler::new(generation).unwrap();
        let (code, _) = compile(&mut compiler, |f| {
            let values = f.registers();
            let argument = f.argument;
            let doubled = f.call(clobber, argument);
            let sum = f.sum(&values, doubled);
            let sum = f.fb.ins().iadd(sum, argument);
            f.go_on(CodePtr(trampoline::exit_stub()), sum);
        });
        assert_eq!(run(code), sum_of_registers() + 7 + 14);
    }

    #[test]
    fn tail_calls_leave_the_stack_as_it_was() {
        let generation = Generation::new(1 << 22).unwrap();
        let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
        let identity = generation.memory.append(IDENTITY.len(), |_| &IDENTITY).unwrap();
        let mut compiler = Compiler::new(generation).unwrap();
        // A large frame in use when the tail call is made.
        let (inner, _) = compile(&mut compiler, |f| {
            let values = f.registers();
            let argument = f.argument;
            let doubled = f.call(clobber, argument);
            let sum = f.sum(&values, doubled);
            f.go_on(identity, sum);
        });
        let (outer, _) = compile(&mut compiler, |f| {
            let values = f.registers();
            let argument = f.argument;
            let first = f.call(inner, argument);
            let second = f.call(inner, first);
            let sum = f.sum(&values, second);
            f.go_on(CodePtr(trampoline::exit_stub()), sum);
        });
        let inner = |argument| sum_of_registers() + 2 * argument;
        assert_eq!(run(outer), sum_of_registers() + inner(inner(7)));
    }

    #[test]
    fn frames_save_no_registers() {
        let generation = Generation::new(1 << 22).unwrap();
        let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
        let mut compiler = Compiler::new(generation).unwrap();
        let (_, asm) = compile(&mut compiler, |f| {
            let values = f.registers();
            let sum = f.sum(&values, f.argument);
            let product = values.iter().fold(sum, |product, &value| f.fb.ins().imul(product, value));
            f.go_on(clobber, product);
        });
        let used = ["%rbx", "%r12", "%r13", "%r14"].iter().any(|register| asm.contains(register));
        assert!(used, "the code needs more registers:\n{asm}");
        let (prologue, _) = asm.split_once("block0").unwrap();
        assert!(!prologue.contains("%rbx") && !prologue.contains("%r1"), "nothing is saved:\n{asm}");
    }

    /// Numbers in the lowest lanes of V0 to V2, with ones above, and what is made of them in V3.
    const NUMBERS: [f64; 3] = [2.5, 0.375, 9.0];

    /// Where a number comes from.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum From {
        /// The lowest lane of a vector.
        Vector,
        Memory,
        /// A sum of numbers from memory.
        Sum,
    }

    impl From {
        const ALL: [Self; 3] = [Self::Vector, Self::Memory, Self::Sum];

        fn value(self, f: &mut Function, ty: Type, n: usize) -> Value {
            let cpu = f.fb.ins().get_pinned_reg(I64);
            let flags = MemFlagsData::trusted();
            if self == Self::Vector {
                let vector = f.fb.ins().load(I8X16, flags, cpu, layout::v(n));
                let lanes = f.cast(if ty == F32 { F32X4 } else { F64X2 }, vector);
                return f.fb.ins().extractlane(lanes, 0);
            }
            let number = f.fb.ins().load(ty, flags, cpu, layout::v(n));
            if self == Self::Memory {
                return number;
            }
            let zero = f.fb.ins().load(ty, flags, cpu, layout::v(4));
            f.fb.ins().fadd(zero, number)
        }
    }

    impl Function<'_> {
        fn cast(&mut self, ty: Type, value: Value) -> Value {
            self.fb.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
        }

        /// V3 becomes a number and zeros.
        fn store_whole(&mut self, number: Value) {
            let lanes = if self.fb.func.dfg.value_type(number) == F32 { F32X4 } else { F64X2 };
            let zero = self.fb.func.dfg.constants.insert(V128Imm([0; 16]).into());
            let zero = self.fb.ins().vconst(I8X16, zero);
            let zero = self.cast(lanes, zero);
            let merged = self.fb.ins().insertlane(zero, number, 0);
            let whole = self.cast(I8X16, merged);
            let cpu = self.fb.ins().get_pinned_reg(I64);
            self.fb.ins().store(MemFlagsData::trusted(), whole, cpu, layout::v(3));
        }
    }

    /// V3 after code that makes it of V0 to V2, and the code.
    fn v3(compiler: &mut Compiler, ty: Type, build: impl Fn(&mut Function) -> Value) -> (u128, String) {
        let (code, asm) = compile(compiler, |f| {
            let number = build(f);
            f.store_whole(number);
            let argument = f.argument;
            f.go_on(CodePtr(trampoline::exit_stub()), argument);
        });
        let mut cpu = Vcpu::default();
        cpu.backend[layout::EXIT] = trampoline::exit_stub();
        let bits =
            |number: f64| u128::from(if ty == F32 { (number as f32).to_bits().into() } else { number.to_bits() });
        for (n, number) in NUMBERS.into_iter().enumerate() {
            cpu.v[n] = u128::MAX << ty.bits() | bits(number);
        }
        trampoline::enter_region(&mut cpu, code);
        (cpu.v[3], asm)
    }

    #[test]
    fn what_is_above_a_number_is_not_kept() {
        let mut compiler = Compiler::new(Generation::new(1 << 24).unwrap()).unwrap();
        type Operation = (&'static str, fn(&mut Function, [Value; 3]) -> Value, fn([f64; 3]) -> f64);
        let has_fma = std::arch::is_x86_feature_detected!("fma");
        let operations: [Operation; 13] = [
            ("itself", |_, [a, ..]| a, |[a, ..]| a),
            ("fadd", |f, [a, b, _]| f.fb.ins().fadd(a, b), |[a, b, _]| a + b),
            ("fsub", |f, [a, b, _]| f.fb.ins().fsub(a, b), |[a, b, _]| a - b),
            ("fmul", |f, [a, b, _]| f.fb.ins().fmul(a, b), |[a, b, _]| a * b),
            ("fdiv", |f, [_, b, c]| f.fb.ins().fdiv(c, b), |[_, b, c]| c / b),
            ("sqrt", |f, [_, _, c]| f.fb.ins().sqrt(c), |[_, _, c]| c.sqrt()),
            ("fneg", |f, [a, ..]| f.fb.ins().fneg(a), |[a, ..]| -a),
            ("fabs", |f, [a, ..]| f.fb.ins().fabs(a), |[a, ..]| a),
            ("band", |f, [a, b, _]| f.fb.ins().band(a, b), |[a, b, _]| f64::from_bits(a.to_bits() & b.to_bits())),
            ("fma", |f, [a, b, c]| f.fb.ins().fma(a, b, c), |[a, b, c]| a.mul_add(b, c)),
            (
                "fma of the opposite",
                |f, [a, b, c]| {
                    let minus = f.fb.ins().fneg(a);
                    f.fb.ins().fma(minus, b, c)
                },
                |[a, b, c]| (-a).mul_add(b, c),
            ),
            (
                "select",
                |f, [a, b, _]| {
                    let argument = f.argument;
                    f.fb.ins().select(argument, a, b)
                },
                |[_, b, _]| b,
            ),
            (
                "minimum",
                |f, [a, b, _]| {
                    let less = f.fb.ins().fcmp(FloatCC::LessThan, a, b);
                    f.fb.ins().select(less, a, b)
                },
                |[a, b, _]| a.min(b),
            ),
        ];
        for ty in [F32, F64] {
            for (name, operation, expected) in operations {
                if name.starts_with("fma") && !has_fma {
                    continue;
                }
                for a in From::ALL {
                    for (b, c) in From::ALL.into_iter().flat_map(|b| From::ALL.map(|c| (b, c))) {
                        let (v3, asm) = v3(&mut compiler, ty, |f| {
                            let operands = [a.value(f, ty, 0), b.value(f, ty, 1), c.value(f, ty, 2)];
                            operation(f, operands)
                        });
                        // The numbers are such that singles give what doubles do, but for quotients and bits.
                        let as_singles = |[a, b, c]: [f64; 3]| match name {
                            "fdiv" => f64::from(c as f32 / b as f32),
                            "band" => f64::from(f32::from_bits((a as f32).to_bits() & (b as f32).to_bits())),
                            _ => expected([a, b, c]),
                        };
                        let expected = if ty == F32 {
                            u128::from((as_singles(NUMBERS) as f32).to_bits())
                        } else {
                            u128::from(expected(NUMBERS).to_bits())
                        };
                        assert_eq!(v3, expected, "{name} of {ty} {a:?}, {b:?}, {c:?}:\n{asm}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_with_zeros_above_are_not_merged() {
        let mut compiler = Compiler::new(Generation::new(1 << 22).unwrap()).unwrap();
        let mut is_merged = |a: From, b: From, operation: fn(&mut Function, Value, Value) -> Value| {
            let (_, asm) = v3(&mut compiler, F64, |f| {
                let (a, b) = (a.value(f, F64, 0), b.value(f, F64, 1));
                operation(f, a, b)
            });
            // Only a merge needs a register of zeros.
            asm.contains("xor")
        };
        assert!(!is_merged(From::Sum, From::Sum, |f, a, b| f.fb.ins().fsub(a, b)));
        assert!(!is_merged(From::Sum, From::Vector, |f, a, b| f.fb.ins().fsub(a, b)));
        assert!(is_merged(From::Vector, From::Sum, |f, a, b| f.fb.ins().fsub(a, b)));
        assert!(!is_merged(From::Sum, From::Vector, |f, a, b| f.fb.ins().fmul(a, b)));
        assert!(!is_merged(From::Vector, From::Sum, |f, a, b| f.fb.ins().fmul(a, b)));
        assert!(is_merged(From::Vector, From::Vector, |f, a, b| f.fb.ins().fadd(a, b)));
    }

    #[test]
    fn conversions_have_zeros_above() {
        let mut compiler = Compiler::new(Generation::new(1 << 22).unwrap()).unwrap();
        let mut check = |from: Type, to: Type, build: fn(&mut Function, Value) -> Value, expected: u64| {
            let (v3, asm) = v3(&mut compiler, from, |f| {
                let number = From::Vector.value(f, from, 2);
                build(f, number)
            });
            assert_eq!(v3, u128::from(expected), "{from} to {to}:\n{asm}");
        };
        check(F32, F64, |f, number| f.fb.ins().fpromote(F64, number), 9f64.to_bits());
        check(F64, F32, |f, number| f.fb.ins().fdemote(F32, number), 9f32.to_bits().into());
        check(F64, F64, |f, _| f.fb.ins().f64const(3.0), 3f64.to_bits());
        check(F32, F32, |f, _| f.fb.ins().f32const(3.0), 3f32.to_bits().into());
        check(
            F64,
            F64,
            |f, number| {
                let bits = f.fb.ins().bitcast(I64, MemFlagsData::new(), number);
                let bits = f.fb.ins().iadd_imm_s(bits, 1);
                f.fb.ins().bitcast(F64, MemFlagsData::new(), bits)
            },
            9f64.to_bits() + 1,
        );
        check(
            F64,
            F64,
            |f, number| {
                let bits = f.fb.ins().bitcast(I64, MemFlagsData::new(), number);
                f.fb.ins().fcvt_from_sint(F64, bits)
            },
            (9f64.to_bits() as f64).to_bits(),
        );
        check(
            F32,
            F32,
            |f, number| {
                let bits = f.fb.ins().bitcast(I32, MemFlagsData::new(), number);
                f.fb.ins().fcvt_from_sint(F32, bits)
            },
            (9f32.to_bits() as f32).to_bits().into(),
        );
    }
}
