//! Variables, layer, exec wrapper and time-outs.

sayings! {
    WRONG_VARIABLE Variables
        tried "{0}" came_back "{1} {2}"
        means "the extension does not start with this: Extension.StrongroomConfig"
        remedy "correct {1}; docs/variables.md has what it may be";
    TOLERATED_VARIABLE Variables
        tried "{0}" came_back "{1} {2}"
        means "the extension starts all the same"
        remedy "correct {1}; docs/variables.md has what it may be";
    NO_WRAPPER Layer
        tried "strongroom/exec" came_back "it is not there"
        means "AWS_LAMBDA_EXEC_WRAPPER names /opt/strongroom/exec, and the runtime ends at once: does not exist"
        remedy "publish the zip that cargo xtask layer has built";
    TOO_LARGE Layer
        tried "the size of all files" came_back "{0} MB"
        means "a function and its layers may have 250 MB together"
        remedy "leave files out";
    ELSEWHERE Layer
        tried "extensions/strongroom" came_back "it lies at {0}"
        means "Lambda starts what lies in /opt/extensions, and nothing else: the extension does not run, and nobody says so"
        remedy "zip the content of the directory, not the directory: extensions/ must be at the top";
    NO_EXTENSION Layer
        tried "extensions/strongroom" came_back "it is not there; in extensions/ are: {0}"
        means "Lambda starts what lies in /opt/extensions, and nothing else: the extension does not run, and nobody says so"
        remedy "publish the zip that cargo xtask layer has built, and add the layer to the function";
    EMPTY Layer
        tried "{0}" came_back "it is empty"
        means "there is nothing to run"
        remedy "publish the zip that cargo xtask layer has built";
    NOT_EXECUTABLE Layer
        tried "{0}" came_back "its permissions are {1}"
        means "Lambda may not execute it: PermissionDenied, Extension.LaunchError"
        remedy "chmod 755 {0} and zip it on Linux or macOS; Windows' own zip keeps no permissions";
    NO_EXECUTABLE Layer
        tried "{0}" came_back "it is no 64-bit Linux executable"
        means "Lambda cannot execute it: exec format error, Extension.LaunchError"
        remedy "publish the zip that cargo xtask layer has built";
    OTHER_PROCESSOR Layer
        tried "{0}" came_back "it is for {1}, and the function runs on {2}"
        means "Lambda cannot execute it: exec format error, Extension.LaunchError"
        remedy "publish the layer for the function's processor: cargo xtask layer --arch {3}";
    STRAY_FILE Layer
        tried "{0}" came_back "it is not executable"
        means "Lambda executes every file in /opt/extensions, and init fails if it cannot: Extension.LaunchError"
        remedy "move {0} to another directory of its layer";
    BESIDE_INCUMBENT Layer
        tried "{0}" came_back "vault-lambda-extension is there, too"
        means "both want port 8200, and the second that comes ends init"
        remedy "take the layer of vault-lambda-extension off the function";
    NOT_HEEDED Wrapper
        tried "AWS_LAMBDA_EXEC_WRAPPER against the runtime" came_back "{0} variables refer to secrets, and {1} does not heed AWS_LAMBDA_EXEC_WRAPPER"
        means "unless the bootstrap or the ENTRYPOINT starts the program by the wrapper itself, the function sees the references themselves in place of the secrets"
        remedy "have the bootstrap, or the image's ENTRYPOINT, end with: exec /opt/strongroom/exec ./app";
    ENTRY_POINT_DECIDES Wrapper
        tried "AWS_LAMBDA_EXEC_WRAPPER against the runtime" came_back "{0} variables refer to secrets, and in an image its entry point decides whether the wrapper runs"
        means "unless the ENTRYPOINT is that of AWS's images or starts the program by the wrapper, the function sees the references themselves in place of the secrets"
        remedy "have the image's ENTRYPOINT end with: exec /opt/strongroom/exec ./app";
    WRAPPER_UNSET Wrapper
        tried "AWS_LAMBDA_EXEC_WRAPPER against the runtime" came_back "{0} variables refer to secrets, and AWS_LAMBDA_EXEC_WRAPPER is unset"
        means "the function sees the references themselves in place of the secrets"
        remedy "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec";
    OTHER_WRAPPER Wrapper
        tried "AWS_LAMBDA_EXEC_WRAPPER against the runtime" came_back "{0} variables refer to secrets, and AWS_LAMBDA_EXEC_WRAPPER is {1}"
        means "the function sees the references themselves in place of the secrets"
        remedy "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec and STRONGROOM_NEXT_WRAPPER={1}";
    INIT_TOO_LONG TimeOuts
        tried "STRONGROOM_INIT_TIMEOUT against Lambda's limit for init" came_back "{0} s, and Lambda ends init on demand after 10 s"
        means "Lambda ends init before the extension says what it waited for, and begins it anew in the first invocation, on the time of that"
        remedy "unset STRONGROOM_INIT_TIMEOUT, or set it below 10s";
    FUNCTION_TOO_SHORT TimeOuts
        tried "the function's time-out against that of init" came_back "{0} s for an invocation, {1} s for login and secrets"
        means "if init takes longer than 10 s, Lambda begins it anew in the first invocation, and ends both together after the function's time-out: Task timed out"
        remedy "aws lambda update-function-configuration --function-name <function> --timeout 15, or a shorter STRONGROOM_INIT_TIMEOUT";
    SLOW TimeOuts
        tried "the time that the chain took just now" came_back "{0} ms, and login and secrets have {1} s at the start"
        means "a cold start that finds Vault or the network only a little slower fails"
        remedy "bring Vault nearer to the function or read fewer secrets at the start; STRONGROOM_INIT_TIMEOUT may go up to 9s on demand, and with provisioned concurrency beyond";
}
