/** Lua: `millis()`, the server's clock, by which all times in the store go: no replica's is compared with another's. */
export const serverTime = `
local function millis()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;
