//! What there would be if setup had made nothing, so that a plan describes all that is wanted and not what is missing.

use std::collections::BTreeMap;

use super::{Found, FoundFunction};
use crate::setup::names;
use crate::setup::policies;
use crate::setup::wish::Wish;

impl Found {
    /// Without what setup has made for the wish: found again by tags in AWS, and by words in Vault.
    pub(in crate::setup) fn without_ours(mut self, wish: &Wish) -> Self {
        let is_owned = |tags: &BTreeMap<String, String>, owner: &str| {
            tags.get(names::OWNER_TAG).is_some_and(|tag| tag == owner)
        };
        let (mount, role) = (wish.owner_of_mount(), wish.owner_of_role());
        self.user = self.user.filter(|user| !is_owned(&user.attributes.tags, &mount));
        self.roles.retain(|_, found| {
            let tags = &found.attributes.tags;
            !is_owned(tags, &mount) && !is_owned(tags, &role)
        });
        for role in self.roles.values_mut() {
            let look_up = names::look_up_policy(wish);
            role.attributes
                .policies
                .retain(|name, _| *name != look_up && name.as_str() != names::ASSUME_POLICY);
        }
        for (function, found) in wish.functions.iter().zip(&mut self.functions) {
            let is_made =
                |found: &FoundFunction| function.creation.is_some() && is_owned(&found.tags, &role);
            *found = found.take().filter(|found| !is_made(found));
            if let Some(found) = found {
                forget_variables(found);
            }
        }
        self.forget_vault(wish);
        self
    }

    fn forget_vault(&mut self, wish: &Wish) {
        let vault = &mut self.vault;
        if let Some(policy) = vault.policy.take_if(|policy| policies::is_ours(wish, policy)) {
            for path in policies::written(&policy) {
                match path.strip_prefix("config/sts/") {
                    Some(account) => drop(vault.sts.remove(account)),
                    None => vault.client = None,
                }
            }
            vault.role.take_if(|role| role.token_policies.contains(&wish.policy));
        }
        if vault.mount.take_if(|mount| mount.is_ours()).is_some() {
            vault.client = None;
            vault.sts.clear();
        }
    }
}

fn forget_variables(found: &mut FoundFunction) {
    let (variables, tags) = names::variables_of_tags(&found.tags);
    found.variables.retain(|name, _| !variables.contains(name));
    found.tags.retain(|key, _| !tags.contains(key));
}
