//! From regions to machine code: owns Cranelift's contexts and the module that stands for one generation of the
//! code cache. Knows nothing of who asks, nor of links.

use crate::abi::frame::{FRAME_BYTES, Place};
use crate::abi::mode::Mode;
use crate::abi::trampoline::CodePtr;
use crate::codecache::generation::Generation;
use crate::codecache::object::Compiled;
use crate::config::Holding;
use crate::deopt::location::DeoptLocation;
use crate::deopt::source::Source;
use crate::deopt::value::DeoptValue;
use crate::inject::{self, Failure};
use crate::optimizing::clif::{
    Builder, Built, FlagsAt, Labels, drop_redundant_upper_zeroing, region_signature, simplify,
};
use crate::optimizing::machine::{self, Placed, Registers};
use crate::optimizing::provider::Provider;
use crate::optimizing::region::{Plan, Region};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa, TargetIsa};
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

fn finish_isa(isa: &isa::Builder, opt_level: &str) -> Result<OwnedTargetIsa, String> {
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
        Self::with(generation, &cranelift_native::builder()?)
    }

    fn with(generation: Arc<Generation>, isa: &isa::Builder) -> Result<Self, String> {
        let (isa, optimized) = (finish_isa(isa, "speed")?, finish_isa(isa, "none")?);
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
            simplify(&mut compiler.context.func);
            listing.clif = clif.then(|| compiler.context.func.display().to_string());
            compiler.generate(&mut built.labels)?;
            let compiled = compiler.context.compiled_code().expect("it has just been compiled");
            if !is_located(compiled) {
                return Err(CompileError::Refused("an access is at no instruction of the guest's".to_owned()));
            }
            let deopt_values = match mode.holding == Holding::Never && built.holds() {
                true => Err(may_hold),
                false => deopt_values(compiled, &built),
            };
            Ok((built, deopt_values))
        };
        let mut may_hold = RegSet::ALL;
        let (built, (mut deopt_values, sources)) = loop {
            match build(self, may_hold)? {
                (built, Ok(deopt_values)) => break (built, deopt_values),
                // Cranelift has lost values, as it may.
                (_, Err(lost)) => {
                    let rest = may_hold.without(lost);
                    may_hold = if may_hold == RegSet::ALL { rest } else { RegSet::default() };
                }
            }
        };
        let (code, placed) = self.place(&held(&deopt_values, &sources))?;
        let compiled = self.context.compiled_code().expect("it has just been compiled");
        for deopt_value in &mut deopt_values {
            deopt_value.offset = placed.offset(deopt_value.offset);
        }
        let locations = locations(compiled, &built, &placed);
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
            Compiled { code, bytes, exits, counter: None, locations, flag_sources, deopt_values, sources, would_hold };
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

    /// Makes of the context's function, which is valid CLIF, what Cranelift is to compile, which is not. An assertion
    /// here, as anywhere in this room, gives up the region, and is counted ([`bug::guarded`](crate::bug::guarded)).
    fn prepare(&mut self, labels: &mut Labels) -> Result<(), CompileError> {
        verify(&self.context.func, &*self.isa);
        preserve_nothing(&mut self.context.func);
        drop_redundant_upper_zeroing(&mut self.context.func);
        inject::panic_if_due(Failure::Prepared);
        if labels.is_empty() { Ok(()) } else { self.optimize(labels).map_err(refused) }
    }

    /// Compiles the context's function.
    fn generate(&mut self, labels: &mut Labels) -> Result<(), CompileError> {
        self.prepare(labels)?;
        let isa = if labels.is_empty() { &*self.isa } else { &*self.optimized };
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
        inject::panic_if_due(Failure::Labels);
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

/// What a fault means at each guest access.
fn locations(compiled: &CompiledCode, built: &Built, placed: &Placed) -> Vec<DeoptLocation> {
    let accesses = compiled.buffer.get_srclocs_sorted().iter().filter(|s| !s.loc.is_default());
    accesses
        .map(|s| {
            let location = &built.locations[s.loc.bits() as usize];
            let flags = match location.flags {
                FlagsAt::Memory => 0,
                FlagsAt::Source(number) => number + 1,
                FlagsAt::Edge => DeoptLocation::FLAGS_BY_EDGE,
            };
            DeoptLocation {
                offset: placed.offset(s.start),
                flags,
                pc: location.pc,
                performed: location.performed as u16,
            }
        })
        .collect()
}

/// The number of the location of a host instruction, if it is one of a guest instruction's.
fn location_at(compiled: &CompiledCode, offset: u32) -> Option<usize> {
    let all = compiled.buffer.get_srclocs_sorted();
    let here = &all[all.partition_point(|s| s.start <= offset).checked_sub(1)?];
    (!here.loc.is_default() && offset < here.end).then(|| here.loc.bits() as usize)
}

/// Whether each access that may fault has a location: without, nobody could say what the fault means to the guest.
fn is_located(compiled: &CompiledCode) -> bool {
    compiled.buffer.traps().iter().all(|access| location_at(compiled, access.offset).is_some())
}

/// Where what is held is at each guest access, with what that follows from; or, if some of it is nowhere, registers that
/// should not be held.
fn deopt_values(compiled: &CompiledCode, built: &Built) -> Result<(Vec<DeoptValue>, Vec<Source>), RegSet> {
    let mut deopt_values = Vec::new();
    let mut sources = Vec::new();
    if !built.holds() {
        return Ok((deopt_values, sources));
    }
    let mut lost = RegSet::default();
    // By what is held, its last source: most accesses find values where those before did.
    let mut last: HashMap<(usize, usize), u32> = HashMap::new();
    let buffer = &compiled.buffer;
    // With the caller's rbp, or what has its place, and the return address.
    let frame = buffer.frame_layout().ok_or(RegSet::ALL)?;
    let frame_bytes = u64::from(frame.frame_to_fp_offset) + 16;
    for access in buffer.traps() {
        let Some(here) = location_at(compiled, access.offset) else { continue };
        let place = |label: u32| {
            let labels = built.labels.labels(label).iter();
            let mut ranges = labels.filter_map(|label| compiled.value_labels_ranges.get(label)).flatten();
            let holds = |range: &&ValueLocRange| range.start <= access.offset && access.offset < range.end;
            place_of(ranges.find(holds)?.loc, frame_bytes).map(Source::Host)
        };
        let of_label = |label: u32| place(label).or_else(|| built.labels.other(label)?.located(&place));
        let location = &built.locations[here];
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
            deopt_values.push(DeoptValue { offset: access.offset, register: *register, place });
        }
    }
    deopt_values.sort_by_key(|deopt_value| deopt_value.offset);
    if lost.is_empty() { Ok((deopt_values, sources)) } else { Err(lost) }
}

/// The general registers in which something is held, by offsets of accesses.
fn held(deopt_values: &[DeoptValue], sources: &[Source]) -> Vec<(u32, Registers)> {
    let mut held: Vec<(u32, Registers)> = Vec::new();
    for deopt_value in deopt_values {
        let mut registers = 0;
        let mut add = |place: Place| {
            if let Place::General(number) = place {
                registers |= 1 << number;
            }
        };
        match deopt_value.place {
            Place::Source(number) => sources[number as usize].places(&mut add),
            place => add(place),
        }
        match held.last_mut() {
            Some((offset, others)) if *offset == deopt_value.offset => *others |= registers,
            _ => held.push((deopt_value.offset, registers)),
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
mod golden;
#[cfg(test)]
mod tests;
