terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "layer_arn" {
  description = "The ARN of the Strongroom layer, with its version"
  type        = string
}

variable "vault_address" {
  description = "Where Vault is, such as https://vault.example:8200"
  type        = string
}

# What `mvn package` built.
locals {
  package = "${path.module}/target/app.jar"
}

resource "aws_lambda_function" "function" {
  function_name    = "strongroom-example-java"
  role             = aws_iam_role.function.arn
  runtime          = "java17"
  handler          = "example.App::handle"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  memory_size      = 512
  timeout          = 10
  layers           = [var.layer_arn]

  environment {
    variables = {
      # Starts the runtime, with the secret in API_KEY.
      AWS_LAMBDA_EXEC_WRAPPER = "/opt/strongroom/exec"
      # Where the layer asks, and where the function does.
      VLE_VAULT_ADDR      = var.vault_address
      VAULT_ADDR          = "http://127.0.0.1:8200"
      VAULT_AUTH_PROVIDER = "aws"
      VAULT_AUTH_ROLE     = "app"
      # One secret: as a variable, and as a file that holds its api-key alone.
      API_KEY                    = "vault:kv/data/app#api-key"
      VAULT_SECRET_PATH_API      = "kv/data/app"
      VAULT_SECRET_FILE_API      = "/tmp/vault/api-key"
      STRONGROOM_FILE_FORMAT_API = "raw:api-key"
    }
  }
}

# It may write logs and nothing else: Vault knows the role by its ARN.
resource "aws_iam_role" "function" {
  name               = "strongroom-example-java"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

output "role_arn" {
  description = "What the Vault role is to be bound to"
  value       = aws_iam_role.function.arn
}
