//! From regions to machine code: owns Cranelift's contexts and the module that stands for one generation of the
//! code cache. Knows nothing of who asks, nor of links.

use crate::builder::{Builder, FlagsAt, Mode, region_signature};
use crate::cache::{Provider, Slot};
use crate::code::Generation;
use crate::flag_source::FlagSource;
use crate::region::{Plan, Region};
use crate::trampoline::CodePtr;
use cranelift_codegen::ir::UserFuncName;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CodegenError, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, ModuleError};
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
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        // Tail calls need it on x86-64.
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
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
        let plan = Plan::new::<F>(region);
        self.module.clear_context(&mut self.context);
        self.context.func.signature = region_signature();
        self.context.func.name = UserFuncName::user(0, region.entry().0 as u32);
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder_context);
        let built =
            Builder::build::<F>(builder, region, &plan, mode, &self.generation.memory, self.isa.frontend_config());
        let Some(built) = built else { return Err(CompileError::CacheFull) };
        let mut listing = Listing::default();
        let (clif, host_asm) = wanted;
        listing.clif = clif.then(|| self.context.func.display().to_string());
        self.context.set_disasm(host_asm);

        let id = self.module.declare_anonymous_function(&self.context.func.signature).map_err(explain)?;
        self.module.define_function(id, &mut self.context).map_err(explain)?;
        self.module.finalize_definitions().map_err(explain)?;
        let code = CodePtr(self.module.get_finalized_function(id) as u64);
        let buffer = self.context.compiled_code().expect("define_function has just compiled it");
        let locations = buffer
            .buffer
            .get_srclocs_sorted()
            .iter()
            .filter(|s| !s.loc.is_default())
            .map(|s| {
                let (pc, flags) = built.locations[s.loc.bits() as usize];
                let flags = match flags {
                    FlagsAt::Memory => 0,
                    FlagsAt::Source(number) => number + 1,
                    FlagsAt::Edge => Location::FLAGS_BY_EDGE,
                };
                Location { offset: s.start, flags, pc }
            })
            .collect();
        listing.host_asm = buffer.vcode.clone();
        let bytes = buffer.code_buffer().len() as u32;
        let flag_sources = built.flag_sources;
        Ok((Compiled { code, bytes, exits: built.exits, counter: None, locations, flag_sources }, listing))
    }

    /// From now on code goes into `generation`.
    pub fn turn_to(&mut self, generation: &Arc<Generation>) {
        if !Arc::ptr_eq(&self.generation, generation) {
            self.module = new_module(&self.isa, generation);
            self.generation = Arc::clone(generation);
        }
    }
}

fn explain(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { .. } => CompileError::CacheFull,
        ModuleError::Compilation(CodegenError::Verifier(errors)) => {
            panic!("the CLIF we build is valid: {errors}")
        }
        other => CompileError::Refused(other.to_string()),
    }
}
