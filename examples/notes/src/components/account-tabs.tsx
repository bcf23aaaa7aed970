import { Link } from "../router.tsx";

export function AccountTabs() {
  return (
    <nav aria-label="Account" className="tabs">
      <Link to="/profile">Profile</Link>
      <Link to="/security">Security</Link>
      <Link to="/sessions">Sessions</Link>
    </nav>
  );
}
