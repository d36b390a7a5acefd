#!/bin/sh
# Installs AWS's runtime interface client for Java in the folder given, beside a link to this machine's Java.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
mkdir -p "$target/bin"
mvn --batch-mode --no-transfer-progress --file "$here/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$target/lib"
ln -s "$(readlink -f "$(command -v java)")" "$target/bin/java"
