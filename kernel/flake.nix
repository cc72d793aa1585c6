# For the Hub's builder: `nix run .#build-and-copy` makes every variant that build.toml asks for.
{
  description = "SAPA feature upsampling";

  inputs.kernel-builder.url = "github:huggingface/kernels";

  outputs =
    { self, kernel-builder }:
    kernel-builder.lib.genKernelFlakeOutputs {
      inherit self;
      path = ./.;
    };
}
