//! From regions to machine code: owns Cranelift's contexts and the module that stands for one generation of the
//! code cache. Knows nothing of who asks, nor of links.

use crate::builder::{Builder, Built, FlagsAt, Mode, region_signature};
use crate::cache::{Provider, Slot};
use crate::code::Generation;
use crate::flag_source::FlagSource;
use crate::peephole::{self, Placed};
use crate::recovery::{FRAME_BYTES, Place, Recovery};
use crate::region::{Plan, Region};
use crate::trampoline::CodePtr;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName, ValueLabel};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{
    CompiledCode, Context, FinalizedMachReloc, FinalizedRelocTarget, LabelValueLoc, RegClass, ValueLocRange,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, ModuleError, ModuleReloc};
use ir::{Frontend, GuestAddr};
use std::sync::Arc;

/// A compiled region.
#[derive(Debug)]
pub struct Compiled {
    /// Its entry.
    pub code: CodePtr,
    /// Size of the code in bytes.
    pub bytes: u32,
    /// Its link slots and their guest targets.
    pub exits: Vec<(Slot, GuestAddr)>,
    /// What counts its runs, if something does.
    pub counter: Option<Slot>,
    /// What faults mean, by host code offset, ascending.
    pub locations: Vec<Location>,
    /// Where the flags of checkpoints are.
    pub flag_sources: Vec<FlagSource>,
    /// Registers of checkpoints that are not in memory, by host code offset, ascending.
    pub recoveries: Vec<Recovery>,
}

/// What a fault in generated code means, from some offset on.
#[derive(Clone, Copy, Debug)]
pub struct Location {
    /// Host code offset at which it begins.
    pub offset: u32,
    /// Where the flags are, as a number in `flag_sources`, plus 1; 0 if they are in memory; or `FLAGS_BY_EDGE`.
    pub flags: u32,
    /// The guest instruction from which tier 0 takes over.
    pub pc: GuestAddr,
    /// As many instructions from there have been performed: they are performed again without touching memory.
    pub performed: u16,
}

impl Location {
    /// Of `flags`: `CpuState` says where they are (`layout::FLAGS_BY_EDGE`).
    pub const FLAGS_BY_EDGE: u32 = u32::MAX;
}

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
    module: JITModule,
    context: Context,
    builder_context: FunctionBuilderContext,
}

fn host_isa() -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", "speed"),
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
        let isa = host_isa()?;
        let module = new_module(&isa, &generation);
        let context = module.make_context();
        Ok(Self { generation, isa, module, context, builder_context: FunctionBuilderContext::new() })
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
            let built = compiler.build::<F>(region, mode, may_hold)?;
            listing.clif = clif.then(|| compiler.context.func.display().to_string());
            compiler.generate()?;
            let compiled = compiler.context.compiled_code().expect("it has just been compiled");
            let is_lost = mode.loses_held && !built.held.is_empty();
            let recoveries = if is_lost { None } else { recoveries(compiled, &built) };
            Ok((built, recoveries))
        };
        let (built, mut recoveries) = match build(self, true)? {
            (built, Some(recoveries)) => (built, recoveries),
            // Cranelift has lost a value, as it may.
            _ => {
                let (built, recoveries) = build(self, false)?;
                (built, recoveries.expect("nothing is held"))
            }
        };
        let (code, placed) = self.place()?;
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
            peephole::listing(&placed.code, &block_starts, &relocations)
        });
        let bytes = placed.code.len() as u32;
        let flag_sources = built.flag_sources;
        let exits = built.exits;
        Ok((Compiled { code, bytes, exits, counter: None, locations, flag_sources, recoveries }, listing))
    }

    /// Builds the CLIF of a region in the context.
    fn build<F: Frontend>(
        &mut self,
        region: &Region<F::Insn>,
        mode: Mode,
        may_hold: bool,
    ) -> Result<Built, CompileError> {
        let plan = Plan::new::<F>(region, may_hold);
        self.module.clear_context(&mut self.context);
        self.context.func.signature = region_signature();
        self.context.func.name = UserFuncName::user(0, region.entry().0 as u32);
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder_context);
        let built =
            Builder::build::<F>(builder, region, &plan, mode, &self.generation.memory, self.isa.frontend_config());
        built.ok_or(CompileError::CacheFull)
    }

    /// Compiles the context's function.
    fn generate(&mut self) -> Result<(), CompileError> {
        verify(&self.context.func, &*self.isa);
        preserve_nothing(&mut self.context.func);
        let compiled = self.context.compile(&*self.isa, &mut ControlPlane::default());
        compiled.map(|_| ()).map_err(|e| CompileError::Refused(e.inner.to_string()))
    }

    /// Improves what has been compiled, and places it.
    fn place(&mut self) -> Result<(CodePtr, Placed), CompileError> {
        let compiled = self.context.compiled_code().expect("it has just been compiled");
        let relocations: Vec<u32> = compiled.buffer.relocs().iter().map(|relocation| relocation.offset).collect();
        let code = compiled.code_buffer();
        // Such a relocation would have to follow what it names. Regions have none.
        let is_own = |r: &FinalizedMachReloc| matches!(r.target, FinalizedRelocTarget::Func(_));
        let may_move = !compiled.buffer.relocs().iter().any(is_own);
        let improved = may_move.then(|| peephole::improve(code, &compiled.bb_starts, &relocations)).flatten();
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

/// Where what is held is at each guest access. None if some of it is nowhere.
fn recoveries(compiled: &CompiledCode, built: &Built) -> Option<Vec<Recovery>> {
    let mut recoveries = Vec::new();
    if built.held.is_empty() {
        return Some(recoveries);
    }
    let buffer = &compiled.buffer;
    // With the caller's rbp, or what has its place, and the return address.
    let frame_bytes = u64::from(buffer.frame_layout()?.frame_to_fp_offset) + 16;
    for access in buffer.traps() {
        let after = buffer.get_srclocs_sorted().partition_point(|s| s.start <= access.offset);
        let Some(here) = after.checked_sub(1).map(|last| &buffer.get_srclocs_sorted()[last]) else { continue };
        if here.loc.is_default() || access.offset >= here.end {
            continue;
        }
        for label in built.locations[here.loc.bits() as usize].held.clone() {
            let ranges = compiled.value_labels_ranges.get(&ValueLabel::from_u32(label as u32))?;
            let holds = |range: &&ValueLocRange| range.start <= access.offset && access.offset < range.end;
            let place = place_of(ranges.iter().find(holds)?.loc, frame_bytes)?;
            recoveries.push(Recovery { offset: access.offset, register: built.held[label], place });
        }
    }
    recoveries.sort_by_key(|recovery| recovery.offset);
    Some(recoveries)
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

fn explain(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { .. } => CompileError::CacheFull,
        other => CompileError::Refused(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;
    use crate::trampoline;
    use cranelift_codegen::ir::types::I64;
    use cranelift_codegen::ir::{InstBuilder, MemFlagsData, SigRef, Value};
    use ir::CpuState;

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
        compiler.generate().unwrap();
        let (code, _) = compiler.place().unwrap();
        let asm = compiler.context.compiled_code().unwrap().vcode.clone().unwrap();
        (code, asm)
    }

    fn run(code: CodePtr) -> u64 {
        let mut cpu = CpuState::new();
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
}
