# What strongroom setup apply would make for orders, invoices, with the role app of auth/aws in Vault at vault.example.com.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
    vault = {
      source  = "hashicorp/vault"
      version = ">= 4.6"
    }
  }
}

provider "aws" {
  region              = "eu-central-1"
  allowed_account_ids = ["123456789012"]
}

provider "vault" {
  address   = "https://vault.example.com"
  namespace = "team"
}

resource "aws_iam_role" "orders_role" {
  name        = "orders-role"
  description = "for orders"
  assume_role_policy = jsonencode({
    Statement = [{
      Action = "sts:AssumeRole"
      Effect = "Allow"
      Principal = {
        Service = "lambda.amazonaws.com"
      }
    }]
    Version = "2012-10-17"
  })
  tags = {
    "strongroom:setup" = "vault.example.com/team/auth/aws/role/app"
  }
}

resource "aws_iam_role_policy" "orders_role_strongroom_logs" {
  name = "strongroom-logs"
  role = aws_iam_role.orders_role.name
  policy = jsonencode({
    Statement = [{
      Action = [
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
      ]
      Effect = "Allow"
      Resource = [
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders",
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders:*",
      ]
    }]
    Version = "2012-10-17"
  })
}

resource "aws_iam_user" "strongroom_vault" {
  name          = "strongroom-vault"
  force_destroy = true
  tags = {
    "strongroom:setup" = "vault.example.com/team/auth/aws"
  }
}

resource "aws_iam_user_policy" "strongroom_vault_strongroom_own_access_key" {
  name = "strongroom-own-access-key"
  user = aws_iam_user.strongroom_vault.name
  policy = jsonencode({
    Statement = [{
      Action = [
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
        "iam:GetUser",
      ]
      Effect   = "Allow"
      Resource = aws_iam_user.strongroom_vault.arn
    }]
    Version = "2012-10-17"
  })
}

resource "aws_iam_user_policy" "strongroom_vault_strongroom_look_up_aws_app" {
  name = "strongroom-look-up-aws-app"
  user = aws_iam_user.strongroom_vault.name
  policy = jsonencode({
    Statement = [{
      Action = "iam:GetRole"
      Effect = "Allow"
      Resource = [
        aws_iam_role.orders_role.arn,
        "arn:aws:iam::123456789012:role/service-role/invoices",
      ]
    }]
    Version = "2012-10-17"
  })
}

resource "vault_policy" "strongroom_app" {
  name   = "strongroom-app"
  policy = <<-EOT
    # Made by strongroom setup for auth/aws/role/app, which overwrites changes.

    path "kv/data/app" {
      capabilities = ["read"]
    }
  EOT
}

resource "vault_auth_backend" "aws" {
  type        = "aws"
  path        = "aws"
  description = "made by strongroom setup"
}

# Without the access key, whose secret would be in the state: see below.
resource "vault_aws_auth_backend_client" "aws" {
  backend                    = vault_auth_backend.aws.path
  use_sts_region_from_client = true

  lifecycle {
    ignore_changes = [
      access_key,
      secret_key,
    ]
  }
}

# Vault looks up the bound IAM roles when it is given its role, so it needs its access key before.
# The secret of that key is to be in no state, so it goes from AWS to Vault directly:
#
#   terraform apply \
#     -target=aws_iam_user_policy.strongroom_vault_strongroom_own_access_key \
#     -target=aws_iam_user_policy.strongroom_vault_strongroom_look_up_aws_app \
#     -target=vault_aws_auth_backend_client.aws
#   export VAULT_ADDR=https://vault.example.com
#   export VAULT_NAMESPACE=team
#   aws iam create-access-key --user-name strongroom-vault --output json \
#     --query '{access_key: AccessKey.AccessKeyId, secret_key: AccessKey.SecretAccessKey}' \
#     | vault write auth/aws/config/client -
#   sleep 15 # until AWS knows the key everywhere
#   vault write -f auth/aws/config/rotate-root
#   terraform apply
resource "vault_aws_auth_backend_role" "app" {
  backend   = vault_auth_backend.aws.path
  role      = "app"
  auth_type = "iam"
  bound_iam_principal_arns = [
    aws_iam_role.orders_role.arn,
    "arn:aws:iam::123456789012:role/service-role/invoices",
  ]
  resolve_aws_unique_ids = true
  token_max_ttl          = 900
  token_ttl              = 900
  token_type             = "batch"
  token_policies         = [vault_policy.strongroom_app.name]
  depends_on = [
    aws_iam_user_policy.strongroom_vault_strongroom_own_access_key,
    aws_iam_user_policy.strongroom_vault_strongroom_look_up_aws_app,
    vault_aws_auth_backend_client.aws,
  ]
}

resource "aws_lambda_function" "orders" {
  function_name = "orders"
  role          = aws_iam_role.orders_role.arn
  runtime       = "python3.13"
  handler       = "app.handler"
  filename      = "orders.zip"
  architectures = ["x86_64"]
  memory_size   = 256
  tags = {
    "strongroom:setup"     = "vault.example.com/team/auth/aws/role/app"
    "strongroom:variables" = "VAULT_ADDR VAULT_AUTH_PROVIDER VAULT_AUTH_ROLE VAULT_NAMESPACE VAULT_SECRET_FILE_1 VAULT_SECRET_PATH_1"
  }

  environment {
    variables = {
      VAULT_ADDR          = "https://vault.example.com"
      VAULT_AUTH_PROVIDER = "aws"
      VAULT_AUTH_ROLE     = "app"
      VAULT_NAMESPACE     = "team"
      VAULT_SECRET_FILE_1 = "app.json"
      VAULT_SECRET_PATH_1 = "kv/data/app"
    }
  }
}

# The function invoices is there already, and Terraform can set
# no variables of a function that it does not own: add these where it is described,
# or run strongroom setup apply once all of this is there, which sets them.
output "variables_of_invoices" {
  description = "For the function invoices in eu-central-1"
  value = {
    VAULT_ADDR          = "https://vault.example.com"
    VAULT_AUTH_PROVIDER = "aws"
    VAULT_AUTH_ROLE     = "app"
    VAULT_NAMESPACE     = "team"
    VAULT_SECRET_FILE_1 = "app.json"
    VAULT_SECRET_PATH_1 = "kv/data/app"
  }
}
