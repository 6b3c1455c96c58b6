-- By which limits each scope knows what was used before; 0: by none. KEYS: the scopes.
local found = {}
for i, scope in ipairs(KEYS) do found[i] = load(scope)[SEEDED] end
return found
